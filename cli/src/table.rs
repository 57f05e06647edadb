//! Tables for people.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// A line below the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table whose first `left` columns are text, the others numbers.
pub(crate) fn table(left: usize, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if index < left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// The table without trailing spaces.
pub(crate) fn render(table: &Table) -> String {
    table.trim_fmt()
}
