use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use tempfile::tempdir;

use crate::files::color_network;
use crate::run::{failure, fsnet, json, skip_gpu, success, text};

const GREEN: Rgb<u8> = Rgb([20, 200, 20]);

#[test]
fn names_the_color_of_an_image_of_any_size() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    for (width, height) in [(32, 32), (1, 1), (100, 50), (31, 400)] {
        // Red at the border of the longer side, which the centre crop leaves out.
        let centre = |at: u32, size: u32, other: u32| size <= other || at.abs_diff(size / 2) <= other / 2;
        let image = RgbImage::from_fn(width, height, |x, y| {
            if centre(x, width, height) && centre(y, height, width) { GREEN } else { Rgb([255, 0, 0]) }
        });
        let path = directory.path().join("image.png");
        image.save(&path).unwrap();
        let report = json(["classify", "--model", text(&model), "--device", "cpu", text(&path)]);
        let top = &report["images"][0]["top"];
        assert_eq!(top[0]["label"], "green", "{width}x{height}: {report}");
        assert_eq!(top.as_array().unwrap().len(), 5);
        assert!(report["milliseconds_per_image"].as_f64().unwrap() > 0.0);
        assert!(report["correct"].is_null());
    }
}

/// What the tests in browsers compare with (`web/tests/network.test.mjs`).
#[test]
fn browsers_are_held_to_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let expected = fs::read_to_string(root.join("web/tests/classified.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let pictures = ["models/images", "web/tests/pages/wide.png", "cli/tests/data/progressive.jpg"];
    let mut arguments = vec!["classify".to_owned(), "--device".to_owned(), "cpu".to_owned()];
    arguments.extend(pictures.map(|picture| root.join(picture).display().to_string()));
    let report = json(arguments.iter().map(String::as_str));
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), expected.as_object().unwrap().len());
    for image in images {
        let name = Path::new(image["image"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        for (got, want) in image["top"].as_array().unwrap().iter().zip(expected[name].as_array().unwrap()) {
            assert_eq!(got["label"], want["label"], "{name}");
            let [got, want] = [got, want].map(|guess| guess["probability"].as_f64().unwrap());
            assert!((got - want).abs() < 2e-6, "{name}: {got} instead of {want}");
        }
    }
}

#[test]
fn probabilities_are_a_softmax_of_exact_outputs() {
    let directory = tempdir().unwrap();
    let (model, path) = (color_network(directory.path()), directory.path().join("image.png"));
    RgbImage::from_pixel(32, 32, Rgb([0, 255, 0])).save(&path).unwrap();
    let report = json(["classify", "--model", text(&model), "--device", "cpu", "--top", "10", text(&path)]);
    // Outputs are 0, 4, 0 and seven times -9.
    let total = 2.0 + 4f64.exp() + 7.0 * (-9f64).exp();
    let probability = report["images"][0]["top"][0]["probability"].as_f64().unwrap();
    assert!((probability - 4f64.exp() / total).abs() < 1e-6, "{probability}");
}

#[test]
fn the_bundled_model_runs_from_any_directory() {
    let directory = tempdir().unwrap();
    let mut command = fsnet();
    let output = command.current_dir(&directory).args(["classify", "--device", "cpu", "--json"]).assert().code(0);
    let report: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), 10);
    assert!(report["correct"].as_u64().unwrap() >= 8, "{report}");
}

#[test]
fn the_gpu_and_the_cpu_agree_on_the_bundled_images() {
    if skip_gpu("the_gpu_and_the_cpu_agree_on_the_bundled_images") {
        return;
    }
    let (gpu, cpu) = (json(["classify", "--require-gpu"]), json(["classify", "--device", "cpu"]));
    for index in 0..10 {
        let probability =
            |report: &serde_json::Value| report["images"][index]["top"][0]["probability"].as_f64().unwrap();
        assert!((probability(&gpu) - probability(&cpu)).abs() < 1e-4, "image {index}");
        assert_eq!(gpu["images"][index]["top"][0]["label"], cpu["images"][index]["top"][0]["label"]);
    }
}

#[test]
fn weights_in_f16_change_probabilities_a_little() {
    let error = failure(["classify", "--device", "cpu", "--f16-weights"]);
    assert!(error.contains("--f16-weights: the CPU executor keeps weights in f32"), "{error}");
    // Not every adapter has f16; the tests' own, lavapipe, does.
    let has_f16 = |report: &serde_json::Value| report["adapters"][0]["features"].to_string().contains("\"f16\"");
    if skip_gpu("weights_in_f16_change_probabilities_a_little") || !has_f16(&json(["devices"])) {
        return;
    }
    // The bundled model's weights are in 8 bits, which f16 does not change.
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/resnet20-s2c.safetensors");
    let classify = ["classify", "--require-gpu", "--model", model];
    let [whole, half]: [serde_json::Value; 2] = [json(classify), json(classify.into_iter().chain(["--f16-weights"]))];
    let probability =
        |report: &serde_json::Value, at: usize| report["images"][at]["top"][0]["probability"].as_f64().unwrap();
    let changes: Vec<f64> = (0..10).map(|at| (probability(&whole, at) - probability(&half, at)).abs()).collect();
    assert!(changes.iter().any(|&change| change > 0.0) && changes.iter().all(|&change| change < 0.05), "{changes:?}");
}

#[test]
fn text_names_the_device_and_the_time() {
    let text = success(["classify", "--device", "cpu"]);
    assert!(text.contains("of 10 right\n") && text.contains("ms an image on CPU"), "{text}");
}

#[test]
fn refuses_what_is_no_image() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let png = directory.path().join("whole.png");
    RgbImage::from_pixel(32, 32, GREEN).save(&png).unwrap();
    let whole = fs::read(&png).unwrap();
    let mut huge = whole.clone();
    // The width, in the PNG header.
    huge[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    let path = directory.path().join("image.png");
    for bytes in [b"this is text".as_slice(), &[], &whole[..40], &huge] {
        fs::write(&path, bytes).unwrap();
        let error = failure(["classify", "--model", text(&model), "--device", "cpu", text(&png), text(&path)]);
        assert!(error.contains("image.png"), "{error}");
    }
    let error = failure(["classify", "--device", "cpu", text(&directory.path().join("missing.jpg"))]);
    assert!(error.contains("missing.jpg"), "{error}");
}

/// Pictures of one colour.
fn save(path: &Path, color: [u8; 3]) {
    RgbImage::from_pixel(32, 32, Rgb(color)).save(path).unwrap();
}

#[test]
fn folders_stand_for_the_pictures_in_them() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let [folder, empty] = ["photos", "empty"].map(|name| directory.path().join(name));
    for path in [&folder, &empty, &folder.join("further"), &folder.join("folder.png")] {
        fs::create_dir(path).unwrap();
    }
    // Names in bytewise order, as `ls` in the C locale has them.
    for (name, color) in [("b.jpeg", GREEN.0), ("a.PNG", [200, 20, 20]), ("C.jpg", [20, 20, 200])] {
        RgbImage::from_pixel(32, 32, Rgb(color))
            .save_with_format(
                folder.join(name),
                if name.ends_with("PNG") { image::ImageFormat::Png } else { image::ImageFormat::Jpeg },
            )
            .unwrap();
    }
    save(&folder.join("further/red.png"), [200, 20, 20]);
    for (name, bytes) in [("._a.PNG", "resource"), ("notes.txt", "text"), ("png", "text"), ("a.png.part", "text")] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let arguments = ["classify", "--model", text(&model), "--device", "cpu"];
    let more = [text(&folder).to_owned(), text(&folder.join("b.jpeg")).to_owned()];
    let report = json(arguments.iter().copied().chain(more.iter().map(String::as_str)));
    let images = report["images"].as_array().unwrap();
    let told: Vec<_> = images.iter().map(|image| (&image["image"], &image["top"][0]["label"])).collect();
    let name = |name: &str| serde_json::Value::from(text(&folder.join(name)));
    let want = [("C.jpg", "blue"), ("a.PNG", "red"), ("b.jpeg", "green"), ("b.jpeg", "green")]
        .map(|(file, label)| (name(file), serde_json::Value::from(label)));
    assert!(told.iter().map(|&(image, label)| (image.clone(), label.clone())).eq(want), "{report}");

    let error = failure(arguments.iter().copied().chain([text(&empty)]));
    assert!(error.contains("empty: no .png, .jpg or .jpeg file is in this folder"), "{error}");
}

#[test]
fn results_come_before_the_last_picture_is_read() {
    let directory = tempdir().unwrap();
    let model = color_network(directory.path());
    let folder = directory.path().join("photos");
    fs::create_dir(&folder).unwrap();
    (0..70).for_each(|index| save(&folder.join(format!("{index:02}.png")), GREEN.0));
    fs::write(folder.join("69.png"), "text").unwrap();
    let arguments = ["classify", "--model", text(&model), "--device", "cpu", text(&folder)];
    let output = fsnet().args(arguments).assert().code(2).get_output().clone();
    let (shown, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(shown.matches("green").count(), 64, "{shown}");
    assert!(error.contains("69.png: neither PNG nor JPEG: it is a text") && error.lines().count() == 1, "{error}");
    // JSON is all or nothing.
    failure(arguments.iter().chain(&["--json"]));
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_number_of_pictures() {
    let directory = tempdir().unwrap();
    let (model, photo) = (color_network(directory.path()), directory.path().join("photo.png"));
    // 36 MB when it is decoded: all of them would be 1.4 GB.
    RgbImage::from_pixel(4000, 3000, GREEN).save(&photo).unwrap();
    // Data, not addresses: threads reserve more of those than they use.
    let command = "ulimit -d 1000000; exec \"$0\" classify --json --device cpu --model \"$@\"";
    let output = assert_cmd::Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_fsnet"), text(&model)])
        .args([text(&photo); 40])
        .assert()
        .code(0)
        .get_output()
        .clone();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), 40);
}
