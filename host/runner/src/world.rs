//! Time and chance, as the runner sees them.

use syncline_core::Instant;

/// Where the runner takes time and chance from; a simulation has its own.
pub trait World: Send + Sync {
    /// Now.
    fn now(&self) -> Instant;
    /// A number nobody can guess from the last one.
    fn random(&self) -> u64;
    /// Waits.
    fn sleep(&self, duration_ms: u64) -> crate::BoxFuture<'_, ()>;
}
