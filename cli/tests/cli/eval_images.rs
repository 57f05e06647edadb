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

/// As spreadsheets save them, and as lists without a header.
#[test]
fn tables_of_other_kinds_say_the_same() {
    let folder = Folder::new();
    let utf_16 = |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let tables: [Vec<u8>; 7] = [
        b"\xef\xbb\xbfindex\tfile\r\n0\tred.png\r\n1\tgreen.jpg\r\n".to_vec(),
        utf_16("index\tfile\r\n0\tred.png\r\n1\tgreen.jpg\r\n"),
        b"Index,Name,File\r\n0,\"red, dark\",red.png\r\n1,green,\"green.jpg\"\r\n".to_vec(),
        b"red.png 0\ngreen.jpg   1\n".to_vec(),
        b"red.png\t0\ngreen.jpg\t1".to_vec(),
        b"\xef\xbb\xbfred.png,0\r\ngreen.jpg,1\r\n".to_vec(),
        b"red.png;0\ngreen.jpg;1\n".to_vec(),
    ];
    for table in tables {
        fs::write(&folder.table, &table).unwrap();
        let report = json(folder.arguments());
        let shown = String::from_utf8_lossy(&table);
        assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(2), Some(2)), "{shown}");
        assert_eq!(report["images"][1]["file"], "green.jpg", "{shown}");
    }
    // Lists of large data sets name the folders.
    fs::create_dir(folder.images.join("n01")).unwrap();
    fs::rename(folder.images.join("red.png"), folder.images.join("n01/red.png")).unwrap();
    folder.write("n01/red.png 0\n");
    assert_eq!(json(folder.arguments())["images"][0]["file"], "n01/red.png");
}

#[test]
fn one_folder_a_class() {
    let folder = Folder::new();
    let evaluate = |folder: &Folder| {
        let arguments = folder.arguments();
        arguments[..7].iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()
    };
    let place = |image: &str, class: &str| {
        let class = folder.images.join(class);
        fs::create_dir_all(&class).unwrap();
        fs::copy(folder.images.join(image), class.join(image)).unwrap();
    };
    // What lies outside of folders has no class; other files, and the order in which folders were made, do not matter.
    place("blue.JPEG", "c");
    place("more.png", "c/deep/deeper");
    place("red.png", "a");
    place("green.jpg", "b");
    fs::write(folder.images.join("a/Thumbs.db"), "no image").unwrap();
    let error = failure(evaluate(&folder));
    assert!(error.contains("images: it has 3 folders, one a class: the network tells 10 classes apart"), "{error}");
    for class in ["d", "e", "f", "g", "h", "i", "j"] {
        place("red.png", class);
    }
    let report = json(evaluate(&folder));
    // Of the classes d to j, whose images are red, none is right.
    assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(4), Some(11)));
    let indices: Vec<u64> =
        report["images"].as_array().unwrap().iter().map(|image| image["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(report["images"][3]["file"], "c/deep/deeper/more.png");
    fs::remove_file(folder.images.join("d/red.png")).unwrap();
    let error = failure(evaluate(&folder));
    assert!(error.contains("images: folder d has no image, but counts as a class"), "{error}");

    // A picture that this program cannot read is not passed over.
    fs::write(folder.images.join("d/red.webp"), b"RIFF\0\0\0\0WEBP").unwrap();
    assert!(failure(evaluate(&folder)).contains("d/red.webp"));
}

#[test]
fn folders_called_as_the_classes_are_those() {
    let folder = Folder::new();
    // In the order of their names blue would be the first class, which is red.
    for (image, class) in [("blue.JPEG", "blue"), ("red.png", "red"), ("green.jpg", "green")] {
        fs::create_dir(folder.images.join(class)).unwrap();
        fs::rename(folder.images.join(image), folder.images.join(class).join(image)).unwrap();
    }
    let report = json(&folder.arguments()[..7]);
    assert_eq!((report["correct"].as_u64(), report["total"].as_u64()), (Some(3), Some(3)), "{report}");
    assert_eq!(report["images"][0]["index"], 2);
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
