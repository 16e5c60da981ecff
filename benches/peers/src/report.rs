//! Tables on the terminal.

/// Sorts, and takes the one in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes for people.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// A draw: two runs of the same may differ by as much, and the best of many peers is the luckiest.
const NOISE: f64 = 0.05;

/// A title, columns as wide as they need to be, and notes.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let head = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.to_owned(), rows: vec![head], notes: vec![] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn note_if(&mut self, condition: bool, note: impl Into<String>) {
        if condition {
            self.notes.push(note.into());
        }
    }

    /// Whether we take no more than the `target` part of what `whom` takes.
    pub fn verdict(&mut self, whom: &str, ratio: f64, target: f64) {
        // With nobody to compare with it is 0, or not finite.
        if ratio.is_finite() && ratio > 0.0 {
            let verdict = match ratio {
                ratio if ratio <= target => "ok",
                ratio if ratio <= target + NOISE => "ok, within the noise",
                _ => "MISSED",
            };
            self.notes.push(format!("{verdict}: {ratio:.2} of {whom}, to reach {target:.2}"));
        }
    }

    pub fn print(&self) {
        println!("\n{}", self.title);
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => line += &format!(" {cell:width$}"),
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            println!("{}", line.trim_end());
        }
        self.notes.iter().for_each(|note| println!("  {note}"));
    }
}
