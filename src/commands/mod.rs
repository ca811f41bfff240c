//! The data commands, by family. Each file declares its commands above the functions.

pub mod string;

use crate::command::DataCommand;

/// All data commands.
pub const TABLES: &[&[DataCommand]] = &[string::TABLE];
