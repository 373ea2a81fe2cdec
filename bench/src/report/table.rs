//! A table, in Markdown.

use std::fmt;

pub(super) struct Table {
    /// The first row is the head.
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: Vec<String>) -> Table {
        Table { rows: vec![head] }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// For a terminal: the columns one below the other.
    pub(super) fn aligned(&self) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let cell = |(cell, width): (&String, &usize)| format!("{cell:width$}");
        let line = |row: &Vec<String>| {
            row.iter()
                .zip(&widths)
                .map(cell)
                .collect::<Vec<_>>()
                .join("  ")
                + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            writeln!(f, "| {} |", cells.join(" | "))?;
            if at == 0 {
                writeln!(f, "|{}", " --- |".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}
