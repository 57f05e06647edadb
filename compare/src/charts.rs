//! The charts, as SVG: bars of ratios, and the roofline.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::model::{Comparison, Kind, LayerResult, Peaks};

const SIZE: (u32, u32) = (1000, 520);
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const ORANGE: RGBColor = RGBColor(0xe0, 0x7b, 0x1a);
const GREEN: RGBColor = RGBColor(0x2b, 0x8a, 0x4b);
const GREY: RGBColor = RGBColor(0x80, 0x80, 0x80);

/// Name, colour, and the ratio of every layer that has one.
type Series = (&'static str, RGBColor, Vec<Option<f64>>);

/// How many times faster what the plan takes at s = C is than others, a group of bars a layer.
pub(crate) fn ratios(comparison: &Comparison) -> Result<String> {
    let by_cpu = comparison.by_cpu();
    let taken = |layer: &LayerResult| layer.gpu("C")?.cost("auto", by_cpu);
    let layers: Vec<&LayerResult> = comparison.layers.iter().filter(|layer| taken(layer).is_some()).collect();
    let over_peer = |kind| -> Vec<Option<f64>> {
        let ratio = |layer: &LayerResult| Some(layer.fastest(&comparison.peers, kind, by_cpu)?.1 / taken(layer)?);
        layers.iter().map(|layer| ratio(layer)).collect()
    };
    let over_dense = layers.iter().map(|layer| Some(layer.gpu("C")?.cost("dense", by_cpu)? / taken(layer)?)).collect();
    let mut series: Vec<Series> = vec![
        ("our dense kernel", BLUE, over_dense),
        ("fastest Vulkan or WebGPU peer", ORANGE, over_peer(Kind::Gpu)),
        ("fastest native CPU peer", GREEN, over_peer(Kind::Cpu)),
        ("cuDNN", GREY, over_peer(Kind::Cuda)),
    ];
    series.retain(|(_, _, ratios)| ratios.iter().any(Option::is_some));
    let values: Vec<f64> = series.iter().flat_map(|(_, _, ratios)| ratios.iter().flatten().copied()).collect();
    // The axis counts octaves.
    let low = values.iter().copied().fold(1.0, f64::min).log2() - 0.3;
    let high = values.iter().copied().fold(1.0, f64::max).log2() + 1.5;
    let names: Vec<&str> = layers.iter().map(|layer| layer.layer.layer.as_str()).collect();
    draw(|area| {
        let title = format!("{}: summaries with s = C, how many times faster than", comparison.adapter.name);
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(90)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..names.len().max(1) as f64, low..high)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .light_line_style(TRANSPARENT)
            .y_labels((high - low) as usize + 2)
            .y_label_formatter(&|octave| format!("{}", octave.exp2()))
            .y_desc("times faster")
            .draw()?;
        let width = 0.8 / series.len().max(1) as f64;
        for (at, (name, colour, ratios)) in series.iter().enumerate() {
            let bars = ratios.iter().enumerate().filter_map(|(layer, ratio)| Some((layer, (*ratio)?)));
            let bars = bars.map(|(layer, ratio)| {
                let left = layer as f64 + 0.1 + at as f64 * width;
                Rectangle::new([(left, 0.0), (left + 0.92 * width, ratio.log2())], colour.filled())
            });
            chart
                .draw_series(bars)?
                .label(*name)
                .legend(|(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
        }
        chart.draw_series([PathElement::new([(0.0, 0.0), (names.len() as f64, 0.0)], BLACK)])?;
        let style = ("sans-serif", 13).into_font().transform(FontTransform::Rotate90).color(&BLACK);
        let plane = chart.plotting_area();
        for (layer, name) in names.iter().enumerate() {
            let (x, y) = plane.map_coordinate(&(layer as f64 + 0.5, low));
            area.draw(&Text::new((*name).to_owned(), (x + 5, y + 6), style.clone()))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(GREY)
            .draw()?;
        Ok(())
    })
}

/// Arithmetic done against arithmetic intensity at s = C under the measured peaks; `None` without those.
pub(crate) fn roofline(comparison: &Comparison) -> Result<Option<String>> {
    let Some(Peaks { gflops: peak, gigabytes_per_second: bandwidth }) = comparison.peaks else { return Ok(None) };
    let points = |label: &str| -> Vec<(f64, f64)> {
        let timings = comparison.layers.iter().filter_map(|layer| layer.gpu("C")?.timing(label));
        timings.map(|timing| (timing.flops_per_byte, timing.gflops)).filter(|(x, y)| *x > 0.0 && *y > 0.0).collect()
    };
    let series =
        [("dense", GREY), ("gather", ORANGE), ("shared", BLUE)].map(|(name, colour)| (name, colour, points(name)));
    let all: Vec<(f64, f64)> = series.iter().flat_map(|(_, _, points)| points.clone()).collect();
    let ridge = peak / bandwidth;
    let fold =
        |start: f64, value: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| all.iter().map(value).fold(start, pick);
    let (left, right) = (fold(ridge, |p| p.0, f64::min) / 2.0, fold(ridge, |p| p.0, f64::max) * 2.0);
    let (bottom, top) = (fold(peak, |p| p.1, f64::min) / 2.0, fold(peak, |p| p.1, f64::max) * 2.0);
    let roof = [left, ridge, right].map(|intensity| (intensity, (intensity * bandwidth).min(peak)));
    let per = if comparison.by_cpu() { "GFLOP a CPU second" } else { "GFLOP/s" };
    let svg = draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .caption(format!("{}: roofline, s = C", comparison.adapter.name), ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(45)
            .y_label_area_size(60)
            .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("FLOP done a byte that must move")
            .y_desc(per)
            .x_label_formatter(&|value| format!("{value}"))
            .y_label_formatter(&|value| format!("{value}"))
            .draw()?;
        chart
            .draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?
            .label("measured peaks")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 12, y)], BLACK));
        for (name, colour, points) in &series {
            chart
                .draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?
                .label(*name)
                .legend(|(x, y)| Circle::new((x + 6, y), 4, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(GREY)
            .draw()?;
        Ok(())
    })?;
    Ok(Some(svg))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(plot: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn std::error::Error>>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)
            .map_err(Into::into)
            .and_then(|()| plot(&area))
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|error: Box<dyn std::error::Error>| anyhow!("chart: {error}"))?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::comparison;

    #[test]
    fn charts_show_every_layer_and_series() {
        let comparison = comparison();
        let svg = ratios(&comparison).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for text in ["64x8", "128x8", "64-128x8/2", "64x8k1", "our dense kernel", "fastest native CPU peer"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("cuDNN"), "a series without values");
        let svg = roofline(&comparison).unwrap().unwrap();
        // A point each of dense, gather and shared a layer, and one each in the legend.
        assert_eq!(svg.matches("<circle").count(), 3 * 4 + 3);
    }

    #[test]
    fn charts_of_nothing_are_no_errors() {
        let mut comparison = comparison();
        comparison.layers.clear();
        assert!(ratios(&comparison).is_ok() && roofline(&comparison).is_ok());
        comparison.peaks = None;
        assert_eq!(roofline(&comparison).unwrap(), None);
    }
}
