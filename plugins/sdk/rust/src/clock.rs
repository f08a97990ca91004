//! The time, as the host sees it.

use crate::host;
use crate::value::Instant;

/// Returns the milliseconds since 1970.
pub fn now() -> Instant {
    host::now()
}
