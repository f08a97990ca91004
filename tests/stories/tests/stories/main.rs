//! The real binary, the real components, real servers: what people live through with them.

mod first;
mod kills;
mod pairs;
mod trouble;
