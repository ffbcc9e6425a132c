//! Lists: a table on a terminal, lines with tabs in a pipe.

use std::io::IsTerminal;

/// Returns whether standard output is a terminal, where people read.
pub fn for_people() -> bool {
    std::io::stdout().is_terminal()
}

/// Returns rows as text: with a head and aligned columns for people, else one line a row, its cells
/// separated by tabs. Cells hold no controls.
pub fn rows<const N: usize>(head: [&str; N], rows: &[[String; N]], people: bool) -> String {
    if !people {
        return rows.iter().map(|row| row.join("\t") + "\n").collect();
    }
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let mut width = [0; N];
    for row in all() {
        for (width, cell) in width.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(width).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_or_tabs() {
        let cells = [["0x1", "CN=ä", "x"], ["0x100", "", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(rows(["A", "NAME", "C"], &cells, false), "0x1\tCN=ä\tx\n0x100\t\t\n");
        let table = "A      NAME  C\n0x1    CN=ä  x\n0x100\n";
        assert_eq!(rows(["A", "NAME", "C"], &cells, true), table);
        assert_eq!(rows(["A"], &[], false), "");
    }
}
