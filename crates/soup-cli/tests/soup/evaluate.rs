//! `evaluate`: scores for people and for scripts.

use crate::place::{Place, contest_data};

const ANSWER: &str = "index,a,b\n0,1,0\n1,0,1\n2,1,1\n3,0,0\n";

#[test]
fn scores_are_said_in_words_and_in_json() {
    let place = Place::new("evaluate");
    place.write("answer.csv", ANSWER).write(
        "probs.csv",
        "index,b,a\n00002,0.4,0.7\n00000,0.2,0.9\n00001,0.8,0.1\n",
    );
    let facts = place.json("evaluate --predictions probs.csv --labels answer.csv");
    assert_eq!(facts["pictures"], 3);
    assert_eq!(facts["pictures_not_predicted"], 1);
    assert_eq!(facts["accuracy"], 5.0 / 6.0);
    assert_eq!(facts["exact_match"], 2.0 / 3.0);
    for key in [
        "mAP",
        "CP",
        "CR",
        "CF1",
        "OP",
        "OR",
        "OF1",
        "loss",
        "accuracy_of_all_zeros",
    ] {
        assert!(facts[key].is_f64(), "{key}");
    }
    assert_eq!(facts["labels"][0]["label"], "b");
    assert_eq!(facts["labels"][0]["recall"], 0.5);
    let outcome = place.soup("evaluate --predictions probs.csv --labels answer.csv");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "ids of probs.csv were matched without their leading zeros: `00002` is `2`\n"
    );
    insta::assert_snapshot!("score", outcome.stdout);

    let facts =
        place.json("evaluate --predictions probs.csv --labels answer.csv --threshold 0.5,b=0.3");
    assert_eq!(facts["accuracy"], 1.0);
}

#[test]
fn a_run_is_scored_by_the_images_that_it_held_out() {
    let place = Place::new("evaluate_run");
    let tiny = "--preset quick data.compose_share=1 data.composed=16 data.composed_valid=8 \
        model.name=repvgg_nano train.batch=8 train.epochs=1";
    let trained = place.json(&format!("train {tiny} --out composed"));
    let facts = place.json("evaluate composed");
    assert_eq!(facts["accuracy"], trained["oof_accuracy"]);
    assert_eq!(facts["mAP"], trained["oof_mAP"]);
    assert_eq!(facts["pictures"], 8);
    assert_eq!(facts["pictures_not_predicted"], 0);

    // A folder: packed into the run, and only one of its folds is trained.
    place.json("compose --count 24 --seed 3 --out set");
    let folder = tiny.replace("data.compose_share=1", "data.compose_share=0.5");
    let trained = place.json(&format!(
        "train {folder} --data set --fold 1 folds.k=3 --out run"
    ));
    let facts = place.json("evaluate run");
    assert_eq!(facts["accuracy"], trained["oof_accuracy"]);
    assert_eq!(facts["pictures"], 8);
    assert_eq!(facts["pictures_not_predicted"], 16);
    let interval = &facts["intervals"]["accuracy"];
    let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
    let accuracy = facts["accuracy"].as_f64().unwrap();
    assert!(low < accuracy && accuracy < high);
    let outcome = place.soup("evaluate run");
    assert!(
        outcome.stdout.contains("95 % intervals"),
        "{}",
        outcome.stdout
    );

    // Other images are predicted first: what predict and evaluate say one after the other.
    place.json("compose --count 6 --seed 4 --out others");
    place.json("predict run --images others --out probs.csv");
    let two = place.json("evaluate --predictions probs.csv --labels others/answer.csv");
    let one = place.json("evaluate run --data others");
    for key in ["accuracy", "mAP", "loss", "intervals", "labels"] {
        assert_eq!(one[key], two[key], "{key}");
    }
    assert_eq!(
        place.json("evaluate run --data others --fold 1")["loss"],
        one["loss"]
    );
    let own = place.soup("evaluate run --data set");
    assert!(own.stderr.contains("flatters"), "{}", own.stderr);

    let mut table = String::new();
    for (code, arguments) in [
        (3, "evaluate nowhere"),
        (3, "evaluate set"),
        (3, "evaluate run --data set/images"),
        (3, "evaluate run --data nowhere"),
        (2, "evaluate run --data others --fold 0"),
        (2, "evaluate run --predictions probs.csv"),
        (2, "evaluate --predictions probs.csv"),
        (2, "evaluate --data set"),
    ] {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_runs", table);
}

#[test]
fn bad_answers_have_a_message_and_an_exit_code() {
    let place = Place::new("evaluate_bad");
    place
        .write("answer.csv", ANSWER)
        .write("half.csv", "index,a,b\n0,1,0\n1,0,0.5\n")
        .write("probs.csv", "index,a,b\n0,1,0\n9,0,1\n")
        .write("columns.csv", "index,a\n0,1\n");
    let cases = [
        (3, "evaluate --predictions probs.csv --labels answer.csv"),
        (3, "evaluate --predictions answer.csv --labels half.csv"),
        (3, "evaluate --predictions columns.csv --labels answer.csv"),
        (3, "evaluate --predictions answer.csv --labels nowhere.csv"),
        (
            2,
            "evaluate --predictions answer.csv --labels answer.csv --threshold c=0.1",
        ),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bad_answers", table);
}

#[test]
#[ignore = "needs the contest's files"]
fn the_real_answers_score_themselves() {
    let data = contest_data();
    let answer = data.join("dirty_mnist_2nd_labels/dirty_mnist_2nd_answer.csv.gz");
    let place = Place::new("evaluate_real");
    place.write(
        "zeros.csv",
        format!(
            "index,{}\n00000{zeros}\n00001{zeros}\n",
            ('a'..='z').map(String::from).collect::<Vec<_>>().join(","),
            zeros = ",0".repeat(26)
        ),
    );
    let answer = answer.display();
    let facts = place.json(&format!(
        "evaluate --predictions {answer} --labels {answer}"
    ));
    assert_eq!(
        (&facts["accuracy"], &facts["exact_match"]),
        (&1.0.into(), &1.0.into())
    );
    assert_eq!(facts["pictures"], 50_000);
    // The share of zeros in the file, counted with Python.
    let zeros = facts["accuracy_of_all_zeros"].as_f64().unwrap();
    assert!((zeros - 0.5385092307692307).abs() < 1e-12, "{zeros}");
    // 14 and 11 of the 26 letters are in the two images.
    let facts = place.json(&format!(
        "evaluate --predictions zeros.csv --labels {answer}"
    ));
    assert_eq!(facts["pictures_not_predicted"], 49_998);
    assert!((facts["accuracy"].as_f64().unwrap() - 27.0 / 52.0).abs() < 1e-12);
    assert!((facts["accuracy_of_all_zeros"].as_f64().unwrap() - 27.0 / 52.0).abs() < 1e-12);
}
