//! Reading the tree: a cursor on each table, the values at its keys, and the report of everything that is wrong.

pub(crate) mod hints;
pub(crate) mod path;
pub(crate) mod quantity;
pub(crate) mod report;
pub(crate) mod stray;
pub(crate) mod table;
pub(crate) mod value;
