//! Tries a read again after passing failures (E8.1): growing pauses with jitter, 1 s to 5 min, 8 tries.

use crate::setup::{Context, Event, SideSetup};
use crate::{BoxFuture, Failure, Fault};
use syncline_core::Side;

/// Tries of one call before the run gives up on it.
pub(crate) const TRIES_MAX: u32 = 8;
const PAUSE_MS_MIN: u64 = 1_000;
const PAUSE_MS_MAX: u64 = 5 * 60 * 1_000;

/// Returns how long to pause after the failed attempt number `attempt`, from 0.
pub(crate) fn pause_ms(attempt: u32, random: u64) -> u64 {
    let ceiling = PAUSE_MS_MIN.saturating_mul(1 << attempt.min(16)).min(PAUSE_MS_MAX);
    ceiling / 2 + random % (ceiling / 2 + 1)
}

/// Waits, and fails as soon as somebody asks to stop.
pub(crate) async fn pause(context: &Context, for_ms: u64) -> Result<(), Failure> {
    unless_stopped(context, context.world.sleep(for_ms)).await
}

/// Does something that can be dropped at any time, and gives it up as soon as somebody asks to stop.
async fn unless_stopped<T>(context: &Context, doing: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = context.stop.asked() => Err(Failure::Stopped),
        done = doing => Ok(done),
    }
}

/// Calls `call` until it succeeds, fails for good, or has been tried often enough.
///
/// It is given up half-way when somebody asks to stop, also while it waits for a connection's budget.
pub(crate) async fn patiently<'a, T>(
    context: &Context,
    side: Side,
    setup: &SideSetup,
    doing: &'static str,
    call: impl Fn() -> BoxFuture<'a, Result<T, Fault>>,
) -> Result<T, Failure> {
    repeatedly(context, side, setup, doing, async || unless_stopped(context, call()).await).await
}

/// The same for what settles a batch that was sent: a stop waits for it.
pub(crate) async fn to_the_end<'a, T>(
    context: &Context,
    side: Side,
    setup: &SideSetup,
    doing: &'static str,
    call: impl Fn() -> BoxFuture<'a, Result<T, Fault>>,
) -> Result<T, Failure> {
    repeatedly(context, side, setup, doing, async || Ok(call().await)).await
}

async fn repeatedly<T>(
    context: &Context,
    side: Side,
    setup: &SideSetup,
    doing: &'static str,
    call: impl AsyncFn() -> Result<Result<T, Fault>, Failure>,
) -> Result<T, Failure> {
    let failed = |source| Failure::Connector { side, endpoint: setup.endpoint.clone(), doing, source };
    for attempt in 0.. {
        let fault = match call().await? {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        let (after_ms, reason) = match fault {
            Fault::Transient(reason) | Fault::Interrupted(reason) => {
                if attempt + 1 >= TRIES_MAX {
                    return Err(failed(Fault::Transient(reason)));
                }
                (pause_ms(attempt, context.world.random()), reason)
            }
            Fault::RetryLater { after_ms, reason } => {
                if after_ms > PAUSE_MS_MAX || attempt + 1 >= TRIES_MAX {
                    return Err(Failure::Wait { endpoint: setup.endpoint.clone(), after_ms, reason });
                }
                (after_ms, reason)
            }
            other => return Err(failed(other)),
        };
        context.say(Event::Waiting { for_ms: after_ms, reason });
        pause(context, after_ms).await?;
    }
    unreachable!("the loop above ends by itself after {TRIES_MAX} tries")
}
