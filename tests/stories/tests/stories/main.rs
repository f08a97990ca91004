//! The real binary, the real components, real servers: what people live through with them.

mod asking;
mod budgets;
mod cards;
mod choosing;
mod days;
mod faults;
mod first;
mod hostile;
mod kills;
mod looked_up;
mod moves;
mod notices;
mod pairs;
mod plans;
mod secrecy;
mod serving;
mod trouble;
