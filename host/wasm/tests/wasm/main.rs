//! Real components in the real runtime: what they may do, and what becomes of those that do more.

mod guests;
mod hostile;
mod http;
mod load;
mod logs;
mod support;
mod transforms;
