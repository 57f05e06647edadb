//! `fsnet classify`: what is on these images?

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use filter_summary::network::Network;
use image::DynamicImage;
use serde::Serialize;

use crate::device::DeviceArgs;
use crate::executor::Executor;
use crate::images;
use crate::kernel::KernelArgs;
use crate::output::{Format, Verdict, one_line};
use crate::table::{render, table};
use crate::tune::TuneArgs;

mod bundled;
mod ranking;

use ranking::{Guess, best};

/// Most images that run at a time.
const BATCH: usize = 32;

/// Classify images; without arguments, ten bundled ones with the bundled model
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// PNG or JPEG files [default: ten bundled CIFAR-10 test images]
    images: Vec<PathBuf>,

    /// A network file (docs/format.md) [default: the bundled ResNet-20 for CIFAR-10]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// How many classes to name
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,

    #[command(flatten)]
    kernels: KernelArgs,

    #[command(flatten)]
    tune: TuneArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    kernel: &'static str,
    /// Whether the kernels were chosen by measuring them.
    tuned: bool,
    /// Of a batch that ran before, so without compiling kernels.
    milliseconds_per_image: f64,
    images: Vec<Classified>,
    /// Of the bundled images, whose classes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<usize>,
}

#[derive(Serialize)]
struct Classified {
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    top: Vec<Guess>,
}

struct Picture {
    name: String,
    /// The right answer, where it is known.
    class: Option<&'static str>,
    image: DynamicImage,
}

pub(crate) fn run(args: &Args) -> Result<Verdict> {
    let (name, network) = load_model(args.model.as_deref())?;
    images::check_input(&network).with_context(|| name.clone())?;
    let pictures = load_pictures(&args.images)?;

    let mut device_name = String::new();
    let mut rows = Vec::with_capacity(pictures.len());
    let mut seconds = 0.0;
    let mut executor = None;
    for batch in pictures.chunks(BATCH) {
        let mut pixels = Vec::new();
        for picture in batch {
            images::append(&picture.image, images::Fit::default(), network.input(), &mut pixels);
        }
        let executor = match &mut executor {
            Some(executor) => executor,
            none => {
                let device = Executor::device(&args.device, args.kernels, &args.tune)?;
                let batch = pictures.len().min(BATCH);
                let first = Executor::new(device, &network, batch, args.kernels, &args.tune);
                let first = first.with_context(|| name.clone())?;
                // Drivers compile kernels when they first run: that is not the time of an image.
                first.run(&pixels)?;
                device_name = first.device_name().to_owned();
                none.insert(first)
            }
        };
        let start = Instant::now();
        let outputs = executor.run(&pixels)?;
        seconds += start.elapsed().as_secs_f64();
        ensure!(outputs.iter().all(|logit| logit.is_finite()), "{name}: its output is not finite: it overflows in f32");
        rows.extend(
            outputs.chunks(outputs.len() / batch.len()).map(|row| best(row, network.labels(), args.top.into())),
        );
    }

    let answers = |class: &str| network.labels().iter().any(|label| label == class);
    let known = pictures.iter().all(|picture| picture.class.is_some_and(answers));
    let right = |(picture, top): &(&Picture, &Vec<Guess>)| {
        picture.class.is_some_and(|class| top.first().is_some_and(|guess| guess.label == class))
    };
    let correct = known.then(|| pictures.iter().zip(&rows).filter(right).count());
    let images = pictures.into_iter().zip(rows);
    let report = Report {
        model: name,
        device: device_name,
        kernel: args.kernels.kernel.name(),
        tuned: executor.is_some_and(|executor| executor.is_tuned()),
        milliseconds_per_image: 1e3 * seconds / images.len() as f64,
        images: images.map(|(picture, top)| Classified { image: picture.name, class: picture.class, top }).collect(),
        correct,
    };
    args.format.print(&report, || text(&report))?;
    Ok(Verdict::Done)
}

fn load_model(path: Option<&Path>) -> Result<(String, Network)> {
    let (name, network) = match path {
        Some(path) => (path.display().to_string(), Network::load(path)?),
        None => {
            let (name, bytes) = bundled::MODEL;
            (name.to_owned(), Network::from_bytes(bytes).context(name)?)
        }
    };
    ensure!(network.output().shape.iter().product::<usize>() > 0, "{name}: the output has no values");
    Ok((one_line(&name), network))
}

fn load_pictures(paths: &[PathBuf]) -> Result<Vec<Picture>> {
    if paths.is_empty() {
        let picture = |&(class, bytes): &(&'static str, &[u8])| {
            let image = images::decode(bytes).with_context(|| format!("bundled {class}.png"))?;
            Ok(Picture { name: format!("{class}.png"), class: Some(class), image })
        };
        return bundled::IMAGES.iter().map(picture).collect();
    }
    let picture = |path: &PathBuf| {
        Ok(Picture { name: one_line(&path.display().to_string()), class: None, image: images::load(path)? })
    };
    paths.iter().map(picture).collect()
}

fn text(report: &Report) -> String {
    let mut table = table(2, &["image", "best guesses"]);
    for image in &report.images {
        let guess = |guess: &Guess| format!("{} {:.1} %", one_line(&guess.label), 100.0 * guess.probability);
        table.add_row([image.image.clone(), image.top.iter().map(guess).collect::<Vec<_>>().join(", ")]);
    }
    let right =
        report.correct.map(|correct| format!("{correct} of {} right\n", report.images.len())).unwrap_or_default();
    let (time, device, model) = (report.milliseconds_per_image, &report.device, &report.model);
    let (table, kernel) = (render(&table), report.kernel);
    let tuned = if report.tuned { ", tuned" } else { "" };
    format!("{table}\n\n{right}{time:.2} ms an image on {device}\nmodel {model}, kernels {kernel}{tuned}")
}
