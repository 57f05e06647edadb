//! `fsnet eval --images`.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use tempfile::{TempDir, tempdir};

use crate::files::color_network;
use crate::run::{failure, json, success, text};

/// A folder with a network that tells colours apart, and images of one colour.
struct Folder {
    directory: TempDir,
    model: PathBuf,
    images: PathBuf,
    table: PathBuf,
}

impl Folder {
    /// Red, green and blue images of several sizes and formats.
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let [images, table] = ["images", "labels.tsv"].map(|name| directory.path().join(name));
        fs::create_dir(&images).unwrap();
        for (name, color, width, height) in
            [("red.png", 0, 32, 32), ("green.jpg", 1, 60, 40), ("blue.JPEG", 2, 33, 90), ("more.png", 2, 5, 7)]
        {
            let mut pixel = [20; 3];
            pixel[color] = 200;
            RgbImage::from_pixel(width, height, Rgb(pixel)).save(images.join(name)).unwrap();
        }
        let model = color_network(directory.path());
        Self { directory, model, images, table }
    }

    fn arguments(&self) -> [&str; 9] {
        let [model, images, table] = [&self.model, &self.images, &self.table].map(|path| text(path));
        ["eval", "--device", "cpu", "--model", model, "--images", images, "--labels", table]
    }

    fn write(&self, table: &str) {
        fs::write(&self.table, table).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.directory.path(), name)
    }
}

#[test]
fn counts_first_and_first_five() {
    let folder = Folder::new();
    // Of the four images one is called what the network is least sure of, and one what it holds second.
    folder.write(
        "index\twnid\tname\tfile\n0\tn0\tred\tred.png\n1\tn1\tgreen\tgreen.jpg\n9\tn9\t9\tblue.JPEG\n0\t\t\tmore.png\n",
    );
    for more in [&[][..], &["--stretch"], &["--resize", "40"], &["--batch", "3", "--stretch", "--resize", "32"]] {
        let report = json(folder.arguments().iter().chain(more));
        let count = |key: &str| report[key].as_u64();
        assert_eq!((count("correct"), count("correct_top5"), count("total")), (Some(2), Some(3), Some(4)), "{more:?}");
        let images = report["images"].as_array().unwrap();
        assert_eq!((images[0]["file"].as_str(), images[0]["rank"].as_u64()), (Some("red.png"), Some(0)));
        assert_eq!((images[2]["index"].as_u64(), images[2]["rank"].as_u64()), (Some(9), Some(9)));
        assert_eq!(images[3]["rank"], 1, "red and green are equal, and red comes first");
    }
    let shown = success(folder.arguments());
    assert!(shown.contains("top-1") && shown.contains("50.00") && shown.contains("75.00"), "{shown}");
    assert_eq!(json(folder.arguments().iter().chain(&["--limit", "1"]))["total"], 1);
}

#[test]
fn what_is_wrong_is_named() {
    let folder = Folder::new();
    let says = |message: &str| {
        let error = failure(folder.arguments());
        assert!(error.contains(message), "{error}");
    };
    says("labels.tsv");
    for (table, message) in [
        ("", "labels.tsv: it is empty"),
        ("index\tfile\tcolour\n", "labels.tsv: line 1: column \"colour\" is none of"),
        ("index\tfile\nx\tred.png\n", "labels.tsv: line 2: index \"x\" is no number"),
        ("index\tfile\n10\tred.png\n", "line 2: index is 10: the network tells 10 classes apart"),
        ("index\tfile\n0\tabsent.png\n", "absent.png"),
        ("index\tfile\n0\t../labels.tsv\n", "is no name of a file"),
        ("index\tfile\n0\tred.png\textra\n", "line 2: 3 fields instead of 2"),
    ] {
        folder.write(table);
        says(message);
    }
    fs::write(&folder.table, b"index\tfile\n\xff\xff\n").unwrap();
    says("labels.tsv: it is no UTF-8 text");

    folder.write("index\tfile\n0\tred.png\n1\tgreen.jpg\n");
    let whole = fs::read(folder.images.join("green.jpg")).unwrap();
    for broken in [&whole[..whole.len() / 3], &whole[..whole.len() - 2], b"hello", b""] {
        fs::write(folder.images.join("green.jpg"), broken).unwrap();
        says("green.jpg");
    }
    fs::remove_file(folder.images.join("green.jpg")).unwrap();
    fs::create_dir(folder.images.join("green.jpg")).unwrap();
    says("green.jpg: it is no file");
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    folder.write("index\tfile\n0\tred.png\n");
    let refused = |more: &[&str], message: &str| {
        let error = failure(folder.arguments().iter().copied().chain(more.iter().copied()));
        assert!(error.contains(message), "{error}");
    };
    refused(&["--cifar10", "images.bin"], "cannot be used with");
    refused(&["--resize", "31"], "--resize is 31: the network takes 32x32");
    refused(&["--resize", "0"], "--resize");
    let model = text(&folder.model);
    failure(["eval", "--model", model, "--images", text(&folder.images)]);
    failure(["eval", "--model", model, "--labels", text(&folder.table)]);
    let cifar = folder.path("images.bin");
    fs::write(&cifar, crate::files::cifar(&[(0, 0)])).unwrap();
    let error = failure(["eval", "--model", model, "--device", "cpu", "--cifar10", text(&cifar), "--stretch"]);
    assert!(error.contains("--stretch are for --images"), "{error}");
}
