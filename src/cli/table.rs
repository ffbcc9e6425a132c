//! Prints lists: a table with colours on a terminal, tab-separated fields for other programs.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::report::Report;
use nss_cmc::text::printable;

/// How a field looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The terminal's default.
    Plain,
    /// No fault: green.
    Good,
    /// Needs attention soon: yellow.
    Soon,
    /// A fault: red.
    Bad,
    /// Less important: dimmed.
    Dim,
}

impl Look {
    fn style(self) -> Style {
        match self {
            Look::Plain => Style::new(),
            Look::Good => AnsiColor::Green.on_default(),
            Look::Soon => AnsiColor::Yellow.on_default(),
            Look::Bad => AnsiColor::Red.on_default(),
            Look::Dim => Style::new().dimmed(),
        }
    }
}

/// A list in columns.
pub struct Table {
    header: &'static [&'static str],
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    /// Returns a table without rows.
    pub fn new(header: &'static [&'static str]) -> Table {
        Table { header, rows: Vec::new() }
    }

    /// Adds a row. Characters that act on a terminal are escaped; an empty field becomes `-`.
    pub fn row<const N: usize>(&mut self, fields: [(String, Look); N]) {
        let field = |(text, look): (String, Look)| match text.is_empty() {
            true => ("-".to_owned(), look),
            false => (printable(&text).into_owned(), look),
        };
        self.rows.push(fields.into_iter().map(field).collect());
    }

    /// Returns whether the table is printed on a terminal, where long fields may be shortened.
    pub fn is_shown() -> bool {
        std::io::stdout().is_terminal()
    }

    /// Adds the table to a report: aligned for a terminal, tab-separated for other programs.
    pub fn add_to(&self, report: Report) -> Report {
        let terminal = Table::is_shown();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = terminal && !set("NO_COLOR") && !dumb;
        let lines = if terminal { self.aligned(colours) } else { self.fields() };
        let report = lines.into_iter().fold(report, Report::line);
        Report { lines_only: !terminal, ..report }
    }

    fn fields(&self) -> Vec<String> {
        let line = |row: &Vec<(String, Look)>| {
            row.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\t")
        };
        self.rows.iter().map(line).collect()
    }

    fn aligned(&self, colours: bool) -> Vec<String> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, (text, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        let line = |fields: Vec<(&str, Style)>| {
            let last = fields.len().saturating_sub(1);
            let mut line = String::new();
            for (at, ((text, style), width)) in fields.into_iter().zip(&widths).enumerate() {
                match colours {
                    true => line += &format!("{style}{text}{style:#}"),
                    false => line += text,
                }
                if at < last {
                    line += &" ".repeat(width.saturating_sub(text.width()) + 2);
                }
            }
            line
        };
        if self.rows.is_empty() {
            return Vec::new();
        }
        let bold = Style::new().bold();
        let header = line(self.header.iter().map(|name| (*name, bold)).collect());
        let rows = self.rows.iter().map(|row| {
            line(row.iter().map(|(text, look)| (text.as_str(), look.style())).collect())
        });
        std::iter::once(header).chain(rows).collect()
    }
}

/// Returns a field in the terminal's default colour.
pub fn plain(text: impl Into<String>) -> (String, Look) {
    (text.into(), Look::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "KEY"]);
        table.row([plain("Müller\u{1b}[2J"), ("yes".into(), Look::Good)]);
        table.row([plain("漢字"), plain("")]);
        table
    }

    #[test]
    fn columns_are_aligned_by_their_width_on_screen() {
        let escaped = "Müller\\u{1b}[2J";
        let space = " ".repeat(escaped.width() - 4 + 2);
        assert_eq!(
            table().aligned(false),
            [format!("NAME{space}KEY"), format!("{escaped}  yes"), format!("漢字{space}-")]
        );
        let coloured = table().aligned(true);
        assert!(coloured[1].ends_with("\u{1b}[32myes\u{1b}[0m"), "{coloured:?}");
    }

    #[test]
    fn other_programs_get_a_line_for_each_row_and_no_header() {
        assert_eq!(table().fields(), ["Müller\\u{1b}[2J\tyes", "漢字\t-"]);
    }
}
