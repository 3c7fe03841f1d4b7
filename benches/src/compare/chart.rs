//! The chart of cold runs: a bar for each contender, seconds on a logarithmic scale.

use super::{
    contenders::Role,
    measure::Temperature,
    report::{Row, Work},
};
use crate::host::Failure;
use plotters::prelude::*;

const WIDTH: u32 = 960;
/// Where bars start and end.
const BARS: (i32, i32) = (400, 860);
const BAR: i32 = 16;
const LINE: i32 = 22;
const TITLE: i32 = 34;
const MARGIN: i32 = 16;

/// Colours that differ for everybody, and in print.
fn colour(role: Role) -> RGBColor {
    match role {
        Role::Ours => RGBColor(0x1b, 0x6c, 0xa8),
        Role::Part => RGBColor(0x7f, 0xb3, 0xd5),
        Role::Peer => RGBColor(0xb0, 0xb0, 0xb0),
        Role::Limit => RGBColor(0x4f, 0x9d, 0x69),
    }
}

/// The chart as SVG.
pub(super) fn draw(works: &[Work]) -> Result<String, Failure> {
    let bars: Vec<(&Work, Vec<(&Row, f64)>)> = works
        .iter()
        .map(|work| {
            let timed = work.rows.iter().filter_map(|row| Some((row, row.median(Temperature::Cold)?)));
            (work, timed.filter(|(_, took)| *took > 0.0).collect())
        })
        .collect();
    let times = || bars.iter().flat_map(|(_, rows)| rows.iter().map(|(_, took)| *took));
    // Whole powers of ten around all times.
    let low = times().fold(f64::INFINITY, f64::min).min(1.0).log10().floor();
    let high = times().fold(0.0, f64::max).max(1.0).log10().ceil().max(low + 1.0);
    let x = |seconds: f64| {
        let part = ((seconds.log10() - low) / (high - low)).clamp(0.0, 1.0);
        BARS.0 + (part * f64::from(BARS.1 - BARS.0)) as i32
    };
    let lines: usize = bars.iter().map(|(_, rows)| rows.len()).sum();
    let height = 3 * MARGIN + TITLE * (bars.len() as i32 + 1) + LINE * lines as i32;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        let write = |text: &str, at: (i32, i32), size: i32| {
            let style = ("sans-serif", size).into_font().color(&BLACK);
            root.draw(&Text::new(text.to_owned(), at, style))
        };
        root.fill(&WHITE)?;
        write("Cold: seconds, median, logarithmic scale", (MARGIN, MARGIN), 16)?;
        let bottom = height - MARGIN;
        for power in low as i32..=high as i32 {
            let seconds = 10_f64.powi(power);
            let at = x(seconds);
            root.draw(&PathElement::new(vec![(at, MARGIN + TITLE), (at, bottom - MARGIN)], BLACK.mix(0.15)))?;
            write(&format!("{seconds} s"), (at - 12, bottom - MARGIN + 2), 12)?;
        }
        let mut y = MARGIN + TITLE;
        for (work, rows) in &bars {
            write(&work.title(), (MARGIN, y + 8), 15)?;
            y += TITLE;
            for (row, took) in rows {
                write(&row.name, (MARGIN, y + 2), 13)?;
                let corners = [(BARS.0, y), (x(*took).max(BARS.0 + 2), y + BAR)];
                root.draw(&Rectangle::new(corners, colour(row.role).filled()))?;
                write(&format!("{took:.3}"), (corners[1].0 + 6, y + 2), 13)?;
                y += LINE;
            }
        }
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_with_a_time_has_a_bar_as_long_as_its_time() {
        let svg = draw(&[super::super::report::tests::work()]).unwrap();
        for name in ["coldread", "alone", "slow", "find", "fio: all", "fio: some"] {
            assert!(svg.contains(name), "{name} in {svg}");
        }
        assert!(!svg.contains("broken"));
        // From 0.1 to 100 s: 4 s is at 0.534 of the width.
        let wide = (f64::from(BARS.1 - BARS.0) * (4.0_f64.log10() + 1.0) / 3.0) as i32;
        assert!(svg.contains(&format!("width=\"{wide}\"")), "{wide} in {svg}");
        assert!(draw(&[]).unwrap().contains("</svg>"));
    }
}
