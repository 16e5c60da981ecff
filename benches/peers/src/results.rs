//! What was measured, saved as CSV in `results/`, for the charts and for comparison.
//!
//! A run replaces all rows of the cases that it measured and keeps the others, so that parts can be
//! repeated.

use std::fs;
use std::path::PathBuf;

/// All numbers of one library, or server, in one case.
#[derive(Clone, Debug)]
pub struct Row {
    pub case: String,
    pub peer: String,
    pub values: Vec<f64>,
}

impl Row {
    pub fn is_ours(&self) -> bool {
        self.peer.starts_with("sansocket")
    }
}

pub struct Results {
    name: &'static str,
    /// What the values are.
    columns: Vec<String>,
    pub rows: Vec<Row>,
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results")
}

impl Results {
    pub fn new(name: &'static str, columns: &[&str]) -> Self {
        Self { name, columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: vec![] }
    }

    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// What an earlier run saved.
    pub fn load(name: &'static str) -> Option<Self> {
        let text = fs::read_to_string(folder().join(name).with_extension("csv")).ok()?;
        let mut lines = text.lines().map(cells);
        let columns = lines.next()?.split_off(2);
        let row = |mut cells: Vec<String>| {
            let values = cells.split_off(2.min(cells.len()));
            let values = values.iter().map(|value| value.parse().unwrap_or(f64::NAN)).collect();
            let [case, peer] = <[String; 2]>::try_from(cells).ok()?;
            Some(Row { case, peer, values })
        };
        Some(Self { name, columns, rows: lines.filter_map(row).collect() })
    }

    pub fn save(self) -> Result<(), String> {
        let mut rows = Self::load(self.name).filter(|old| old.columns == self.columns);
        let mut rows = rows.take().map(|old| old.rows).unwrap_or_default();
        rows.retain(|old| self.rows.iter().all(|row| row.case != old.case));
        rows.extend(self.rows);
        let mut text = format!("case,peer,{}\n", self.columns.join(","));
        for row in rows {
            let values: Vec<String> =
                row.values.iter().map(|value| format!("{value:.4}")).collect();
            text += &format!("\"{}\",\"{}\",{}\n", row.case, row.peer, values.join(","));
        }
        let path = folder().join(self.name).with_extension("csv");
        fs::create_dir_all(folder())
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

/// The cells of a line; those in quotes may contain commas.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("there is one").push(c),
        }
    }
    cells
}
