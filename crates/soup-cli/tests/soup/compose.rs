//! `compose`: images from nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, contest_data};

#[test]
fn images_tables_and_facts() {
    let place = Place::new("compose");
    let facts = place.json("compose --glyphs strokes --count 3 --seed 7 --out set");
    assert_eq!(facts["pictures"], 3);
    assert_eq!(facts["labels"], 26);
    assert_eq!(facts["glyphs"], "strokes");
    for index in 0..3 {
        let image = fs::read(place.path(&format!("set/images/0000{index}.png"))).unwrap();
        assert!(image.starts_with(b"\x89PNG"));
    }
    let answer = place.read("set/answer.csv");
    assert!(answer.starts_with("index,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z\n0,"));
    assert_eq!(answer.lines().count(), 4);
    assert!(place.read("set/boxes.csv").starts_with("index,label,"));
    // The answers score themselves: the whole way of a table.
    place.json("evaluate --predictions set/answer.csv --labels set/answer.csv");

    // The same seed, the same images, on any number of threads; another seed, others.
    place.json("compose --count 3 --seed 7 --out again --threads 1");
    place.json("compose --count 3 --seed 8 --out other");
    let image = |set: &str| fs::read(place.path(&format!("{set}/images/00002.png"))).unwrap();
    assert_eq!(image("set"), image("again"));
    assert_ne!(image("set"), image("other"));
}

#[test]
fn settings_reach_the_composer() {
    let place = Place::new("compose_settings");
    place.json(
        "compose --count 1 --out small compose.width=64 compose.height=32 compose.side=[8,20]",
    );
    let image = fs::read(place.path("small/images/00000.png")).unwrap();
    assert_eq!(image[16..24], [0, 0, 0, 64, 0, 0, 0, 32]);
}

#[test]
fn bad_wishes_have_a_message_and_an_exit_code() {
    let place = Place::new("compose_bad");
    place
        .write("glyphs.csv", "id,letter,0\n1,A,x\n")
        .write("font.ttf", "no font");
    place.json("compose --count 2 --out taken");
    let cases = [
        (2, "compose --count 1 --out o --glyphs stroke"),
        (2, "compose --count 1 --out o --glyphs strokes[5]"),
        (3, "compose --count 1 --out o --glyphs csv:nowhere.csv"),
        (3, "compose --count 1 --out o --glyphs csv:glyphs.csv"),
        (3, "compose --count 1 --out o --glyphs font:font.ttf"),
        (2, "compose --count 1 --out o --glyphs strokes[0..5]"),
        (2, "compose --count x --out o"),
        (2, "compose --out o"),
        (2, "compose --count 1 --out o compose.wdth=64"),
        (2, "compose --count 1 --out o compose.width=wide"),
        (2, "compose --count 1 --out o compose.width=1"),
        (2, "compose --count 1 --out o train.epochs=3"),
        (2, "compose --count 1 --out o width"),
        (3, "compose --count 3 --out taken"),
        (1, "compose --count 1 --out glyphs.csv"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_compositions", table);
}

#[test]
#[cfg(unix)]
fn interrupted_it_says_so_and_goes_on() {
    let place = Place::new("compose_interrupted");
    let command = "compose --count 3000 --seed 1 --out set --threads 1";
    let mut child = place
        .command(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !place.path("set/images/00005.png").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no image came");
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(
        !place.path("set/answer.csv").exists(),
        "a table of half of the images"
    );
    assert!(!place.path("set/images/02999.png").exists());
    place.json("compose --count 3000 --seed 1 --out set");
    assert_eq!(place.read("set/answer.csv").lines().count(), 3001);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_glyphs_make_images() {
    let data = contest_data();
    let place = Place::new("compose_real");
    let glyphs = data.join("glyphs");
    let glyphs = glyphs.display();
    let facts = place.json(&format!(
        "compose --glyphs csv:{glyphs}/dacon7-train.csv.gz+idx:{glyphs}/dacon7-test-16480-images-idx3-ubyte.gz,\
         {glyphs}/dacon7-test-16480-labels-idx1-ubyte.gz[..12000] --count 4 --out set"
    ));
    assert_eq!(
        (&facts["pictures"], &facts["labels"]),
        (&4.into(), &26.into())
    );
}
