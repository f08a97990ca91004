//! What `decide` does: cases as text, every small combination in one table, and properties over several fields.

mod cases;
mod filters;
mod properties;
mod rounds;
mod sets;
mod support;
mod table;
