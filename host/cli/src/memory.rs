//! How memory is taken from the system.

/// Makes all threads share one pool of memory; to be called before there are any.
///
/// The C library gives each thread a pool of its own and takes nothing back from one for another. What the store's
/// threads hand to each other fills all of them: a first plan of 200,000 contacts a side took 175 MiB, and 83 with one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library has no other way to be told")]
pub fn share_one_pool() {
    // SAFETY: it sets a number in the allocator, and there is no other thread yet.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Elsewhere the threads share their memory anyway, or cannot be told to.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_one_pool() {}
