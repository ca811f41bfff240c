//! The commands that rules may name, and the categories they are in.

use crate::command::spec::CATEGORIES;
use hashbrown::HashMap;

/// A command as rules see it. Its number is that of the command table.
#[derive(Clone, Debug, Default)]
pub struct CommandInfo {
    /// `get`, or `client|list`: as declared, whatever clients have to call it.
    pub full_name: String,
    /// A bit for each of `CATEGORIES`.
    pub categories: u32,
    pub is_subcommand: bool,
    pub subcommands: Vec<u16>,
}

/// The commands that rules may name, and the categories they are in.
#[derive(Clone, Debug, Default)]
pub struct CommandIndex {
    commands: Vec<CommandInfo>,
    names: HashMap<Vec<u8>, u16>,
}

impl CommandIndex {
    /// All commands, in the order of their numbers.
    pub fn new(commands: Vec<CommandInfo>) -> CommandIndex {
        let names = commands.iter().enumerate();
        let names = names.map(|(number, known)| {
            let number = u16::try_from(number).expect("there are fewer commands");
            (known.full_name.clone().into_bytes(), number)
        });
        // A command without a name was removed.
        let names = names.filter(|(name, _)| !name.is_empty());
        CommandIndex {
            names: names.collect(),
            commands,
        }
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// The command of this full name.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        self.names.get(&name.to_ascii_lowercase()).copied()
    }

    pub fn get(&self, number: u16) -> &CommandInfo {
        &self.commands[usize::from(number)]
    }

    /// The bit of a category.
    pub fn category(name: &[u8]) -> Option<u32> {
        let at = CATEGORIES
            .iter()
            .position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(1 << at)
    }

    /// The commands in a category.
    pub fn in_category(&self, category: u32) -> impl Iterator<Item = u16> {
        let numbered = (0..).zip(&self.commands);
        numbered
            .filter(move |(_, known)| known.categories & category != 0)
            .map(|(number, _)| number)
    }
}
