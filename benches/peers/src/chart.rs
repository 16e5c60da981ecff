//! Charts of the saved results, as SVG that needs nothing else and reads on light and dark pages.
//!
//! A chart is a grid of panels, a panel a few bars from the shortest to the longest. Bars beyond
//! `CLIP` times the shortest are cut, and say so by a gap; the numbers are always there.

use std::fmt::Write;
use std::fs;

use crate::results::{Results, Row, folder};

const CLIP: f64 = 8.0;
const PANEL: usize = 430;
const NAME: usize = 196;
const BAR: usize = PANEL - NAME - 72;
const LINE: usize = 18;
const TOP: usize = 62;

struct Panel {
    title: String,
    /// Name, value, whether it is ours.
    bars: Vec<(String, f64, bool)>,
    clip: bool,
}

pub fn draw() -> Result<(), String> {
    let memory = [
        "receive 16 B binary",
        "echo 16 B binary",
        "receive 125 B ASCII text",
        "receive 1 KiB ASCII text",
        "receive 1 KiB Japanese text",
        "receive 16 KiB binary",
        "receive 1 MiB binary",
        "send 125 B binary",
        "broadcast 1 KiB binary",
    ];
    let tcp = [
        "echo 64 B, 1 in flight, 20 connections",
        "echo 64 B, 16 in flight, 20 connections",
        "echo 16 KiB, 1 in flight, 20 connections",
        "echo 64 KiB, 16 in flight, 20 connections",
        "echo 64 B, 1 in flight, 5000 connections",
        "broadcast 1 KiB to 5000",
    ];
    let idle = ["memory of each of 5000 connections"];
    let compressed = [
        "echo 180 B JSON compressed, 1 in flight, 1 connection",
        "echo 180 B JSON compressed, 1 in flight, 1000 connections",
        "echo 1.9 KB JSON compressed, 1 in flight, 1 connection",
        "echo 1.9 KB JSON compressed, 1 in flight, 1000 connections",
        "echo 64 KiB text compressed, 1 in flight, 1 connection",
        "echo 180 B JSON compressed, 16 in flight, 1 connection",
    ];
    let compressed_idle = ["memory of each of 1000 compressing connections"];
    let secure = [
        "echo 64 B over TLS, 1 in flight, 20 connections",
        "echo 64 B over TLS, 16 in flight, 20 connections",
        "echo 16 KiB over TLS, 1 in flight, 20 connections",
        "handshakes over TLS, full",
        "handshakes over TLS, resumed",
    ];
    let secure_idle = ["memory of each of 1000 connections with TLS"];
    let cpu = "Over loopback: server CPU per message, microseconds";
    let resident = "Resident bytes per idle connection";
    chart("memory", "In memory: nanoseconds per message", &memory, 0, true)?;
    chart("tcp", cpu, &tcp, 0, true)?;
    chart("idle", resident, &idle, 1, false)?;
    chart("deflate", cpu, &compressed, 0, true)?;
    chart(
        "deflate-idle",
        "Resident bytes per connection after 32 messages",
        &compressed_idle,
        2,
        false,
    )?;
    chart("tls", cpu, &secure, 0, true)?;
    chart("tls-idle", resident, &secure_idle, 1, false)
}

/// Draws what was saved in a file, if anything was, into one of the same name.
fn chart(
    name: &'static str,
    title: &str,
    cases: &[&str],
    column: usize,
    clip: bool,
) -> Result<(), String> {
    let Some(Results { rows, .. }) = Results::load(name) else {
        eprintln!("no {name}.csv yet");
        return Ok(());
    };
    let panel = |&case: &&str| panel(&rows, case, column, clip);
    let panels: Vec<Panel> =
        cases.iter().map(panel).filter(|panel| !panel.bars.is_empty()).collect();
    let path = folder().join(name).with_extension("svg");
    fs::write(&path, svg(title, &panels)).map_err(|error| format!("{}: {error}", path.display()))
}

fn panel(rows: &[Row], case: &str, column: usize, clip: bool) -> Panel {
    let rows = rows.iter().filter(|row| row.case == case);
    let bar = |row: &Row| (row.peer.clone(), row.values.get(column).copied(), row.is_ours());
    let bars = rows.map(bar).filter_map(|(name, value, ours)| Some((name, value?, ours)));
    let mut bars: Vec<_> = bars.filter(|bar| bar.1.is_finite()).collect();
    bars.sort_by(|a, b| a.1.total_cmp(&b.1));
    Panel { title: case.to_owned(), bars, clip }
}

fn svg(title: &str, panels: &[Panel]) -> String {
    let columns = panels.len().clamp(1, 2);
    let height = |panel: &Panel| 30 + panel.bars.len() * LINE + 22;
    let tallest = panels.iter().map(height).max().unwrap_or(0);
    // The note needs some room, too.
    let width = (columns * PANEL + 20).max(500);
    let total = TOP + panels.len().div_ceil(columns) * tallest;
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}" role="img" aria-label="{title}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #24292f; }}
.title {{ font-size: 16px; font-weight: 600; }}
.panel {{ font-weight: 600; }}
.note, .value {{ fill: #57606a; }}
.note {{ font-size: 11px; }}
.peer {{ fill: #b6bcc5; }}
.ours {{ fill: #2f6fde; }}
text.ours {{ font-weight: 600; }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e2e6eb; }}
  .note, .value {{ fill: #9aa4b0; }}
  .peer {{ fill: #56606c; }}
  .ours {{ fill: #6ea4ff; }}
}}
</style>
<text class="title" x="10" y="24">{title}</text>
<text class="note" x="10" y="43">Less is better. Medians of interleaved rounds; only ratios within a panel count.</text>
"#
    );
    for (number, panel) in panels.iter().enumerate() {
        let (x, y) = (10 + number % columns * PANEL, TOP + number / columns * tallest);
        draw_panel(&mut out, panel, x, y);
    }
    out + "</svg>\n"
}

fn draw_panel(out: &mut String, panel: &Panel, x: usize, y: usize) {
    let shortest = panel.bars.first().map_or(1.0, |bar| bar.1);
    let longest = panel.bars.last().map_or(1.0, |bar| bar.1);
    let full = if panel.clip { longest.min(shortest * CLIP) } else { longest };
    let title = escape(&panel.title);
    let _ = writeln!(out, r#"<text class="panel" x="{x}" y="{}">{title}</text>"#, y + 16);
    for (line, (name, value, ours)) in panel.bars.iter().enumerate() {
        let top = y + 26 + line * LINE;
        let class = if *ours { "ours" } else { "peer" };
        let text_class = if *ours { "ours" } else { "name" };
        let length = (value / full).min(1.0) * BAR as f64;
        let (left, base) = (x + NAME, top + 13);
        let _ = writeln!(
            out,
            r#"<text class="{text_class}" x="{}" y="{base}" text-anchor="end">{}</text>"#,
            left - 8,
            escape(name)
        );
        let mut rect = |from: f64, to: f64| {
            let _ = writeln!(
                out,
                r#"<rect class="{class}" x="{:.1}" y="{}" width="{:.1}" height="12" rx="1.5"/>"#,
                left as f64 + from,
                top + 3,
                (to - from).max(1.0)
            );
        };
        if *value > full {
            rect(0.0, length - 14.0);
            rect(length - 10.0, length);
        } else {
            rect(0.0, length);
        }
        let at = left as f64 + length + 6.0;
        let _ = writeln!(
            out,
            r#"<text class="value" x="{at:.1}" y="{base}">{}</text>"#,
            number(*value)
        );
    }
}

/// Three digits, and a space between thousands.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    text.push('\u{202f}');
                }
                text.push(digit);
            }
            text
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
