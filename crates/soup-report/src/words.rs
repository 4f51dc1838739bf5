//! What pages say, in English and Korean.

use soup_train::trainer::Divergence;

/// The words that the live page shares with the report, and its own. Sentences whose order differs are
/// functions.
#[allow(missing_docs, reason = "the words say what they are")]
#[derive(Debug)]
pub struct Words {
    /// As `lang` in HTML.
    pub code: &'static str,
    // Curves.
    pub loss_by_epoch: &'static str,
    pub loss_axis: &'static str,
    pub boxes_note: &'static str,
    pub accuracy_by_epoch: &'static str,
    pub accuracy_axis: &'static str,
    pub training_note: &'static str,
    pub precision_by_epoch: &'static str,
    pub precision_axis: &'static str,
    pub rate_by_epoch: &'static str,
    pub rate_axis: &'static str,
    pub epoch: &'static str,
    pub training: &'static str,
    pub held_out: &'static str,
    /// A fold by its number.
    pub fold: fn(usize) -> String,
    /// What a curve does: its name, from, to, in the epoch.
    pub goes: fn(&str, &str, &str, usize) -> String,
    // Settings.
    pub differs: &'static str,
    /// Setting, value, default.
    pub setting_columns: [&'static str; 3],
    pub all_settings: &'static str,
    // Images.
    pub true_labels: &'static str,
    pub false_negative: &'static str,
    pub false_positive: &'static str,
    pub true_positive: &'static str,
    pub the_image: &'static str,
    pub peak: &'static str,
    /// Fold and loss of an image.
    pub fold_and_loss: fn(u32, f64) -> String,
    /// An image by its id and labels.
    pub image_with: fn(&str, &str) -> String,
    /// The heat map of a label.
    pub map_of: fn(&str) -> String,
    // Duration: hours and minutes, minutes and seconds, seconds.
    pub hours: fn(u64, u64) -> String,
    pub minutes: fn(u64, u64) -> String,
    pub seconds: fn(u64) -> String,
    /// The live page's own.
    pub live: LiveWords,
}

/// The words of the page of `soup watch`.
#[allow(missing_docs, reason = "the words say what they are")]
#[derive(Debug)]
pub struct LiveWords {
    pub run: &'static str,
    pub images: &'static str,
    pub curves: &'static str,
    pub folds: &'static str,
    pub settings: &'static str,
    pub log: &'static str,
    /// The other language, in its own words, and its code.
    pub other: [&'static str; 2],
    pub predict: &'static str,
    pub predict_others: &'static str,
    pub predict_note: &'static str,
    pub predicting: &'static str,
    pub no_weights: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub offline: &'static str,
    pub stays: &'static str,
    pub last_sign: &'static str,
    pub no_run: &'static str,
    pub damaged: &'static str,
    pub no_epoch: &'static str,
    pub ended: &'static str,
    pub quiet: &'static str,
    /// That a fold diverged, where, and what to do.
    pub diverged: fn(&Divergence) -> String,
    pub is_diverged: &'static str,
    /// Folds in training, in words: `fold 0: epoch 3 of 25`.
    pub trains: fn(&str) -> String,
    /// Epochs done, of how many, by fold.
    pub progress: fn(usize, usize, Option<usize>) -> String,
    /// Step of the epoch at hand, of how many.
    pub step: fn(u64, Option<u64>) -> String,
    pub best_accuracy: &'static str,
    pub best_note: &'static str,
    pub epochs: &'static str,
    /// Folds done, of how many.
    pub folds_done: fn(usize, usize) -> String,
    pub time: &'static str,
    /// Time that is left.
    pub left: fn(&str) -> String,
    pub speed: &'static str,
    pub speed_unit: &'static str,
    pub memory: &'static str,
    pub memory_note: &'static str,
    pub loss: &'static str,
    /// Fold, epochs, best epoch, accuracy, loss, mAP, epoch at hand.
    pub fold_columns: [&'static str; 7],
    pub fold_note: &'static str,
    /// Which weights predicted the images: fold and epoch.
    pub predicted_by: fn(usize, usize) -> String,
    pub maps_note: &'static str,
    pub no_maps: &'static str,
}

/// English.
pub static ENGLISH: Words = Words {
    code: "en",
    loss_by_epoch: "Loss by epoch",
    loss_axis: "loss, mean binary cross-entropy",
    boxes_note: "The training loss includes that of the boxes, so it is higher.",
    accuracy_by_epoch: "Accuracy by epoch",
    accuracy_axis: "accuracy, share of correct cells",
    training_note: "Training accuracy is measured during training, with augmentation and dropout.",
    precision_by_epoch: "Mean average precision by epoch",
    precision_axis: "mAP of held-out images",
    rate_by_epoch: "Learning rate by epoch",
    rate_axis: "learning rate at the end of the epoch",
    epoch: "epoch",
    training: "training",
    held_out: "held out",
    fold: |fold| format!("fold {fold}"),
    goes: |name, from, to, epoch| format!("{name} from {from} to {to} in epoch {epoch}"),
    differs: "What differs from the defaults.",
    setting_columns: ["setting", "value", "default"],
    all_settings: "All settings (config.toml)",
    true_labels: "true labels",
    false_negative: "false negative",
    false_positive: "false positive",
    true_positive: "true positive",
    the_image: "the image",
    peak: "peak",
    fold_and_loss: |fold, loss| format!("fold {fold}, loss {loss:.3}"),
    image_with: |id, labels| format!("image {id} with {labels}"),
    map_of: |label| format!("heat map of {label}"),
    hours: |hours, minutes| format!("{hours} h {minutes} min"),
    minutes: |minutes, seconds| format!("{minutes} min {seconds} s"),
    seconds: |seconds| format!("{seconds} s"),
    live: LiveWords {
        run: "Run",
        images: "Images",
        curves: "Training",
        folds: "Folds",
        settings: "Settings",
        log: "The last lines of the log",
        other: ["한국어", "ko"],
        predict: "Predict images",
        predict_others: "Predict other images",
        predict_note: "Predicts held-out images with the newest best weights, on one thread.",
        predicting: "Predicting…",
        no_weights: "There are no weights yet; the first come with the first epoch.",
        pause: "Pause",
        resume: "Go on",
        offline: "soup watch does not answer. The page waits for it.",
        stays: "This page only reads the run's folder.",
        last_sign: "Last written:",
        no_run: "There is no run here. The page goes on when there is one.",
        damaged: "A file of the run cannot be read; the page goes on when it can.",
        no_epoch: "no epoch yet",
        ended: "Ended: every fold is trained.",
        quiet: "Nothing is being written. soup train with the same --out goes on.",
        diverged: |found| format!("Diverged: {found}."),
        is_diverged: "diverged",
        trains: |folds| format!("Training. {folds}"),
        progress: |fold, done, of| match of {
            Some(of) => format!("Fold {fold}: {done} of {of} epochs."),
            None => format!("Fold {fold}: {done} epochs."),
        },
        step: |step, of| match of {
            Some(of) => format!("step {step} of {of}"),
            None => format!("step {step}"),
        },
        best_accuracy: "accuracy held out",
        best_note: "mean of the folds at their best epochs",
        epochs: "epochs done",
        folds_done: |done, of| format!("{done} of {of} folds ended"),
        time: "time",
        left: |time| format!("about {time} left in the folds that were begun"),
        speed: "speed",
        speed_unit: "images/s in training",
        memory: "memory",
        memory_note: "peak of the process",
        loss: "loss",
        fold_columns: [
            "#fold",
            "#epochs",
            "#best epoch",
            "#accuracy",
            "#loss",
            "#mAP",
            "at the last checkpoint",
        ],
        fold_note: "Accuracy, loss and mAP of the held-out images at the best epoch.",
        predicted_by: |fold, epoch| {
            format!("Held-out images of fold {fold}, by the weights of epoch {epoch}.")
        },
        maps_note: "The red heat maps show where the network saw a label, each scaled to its own range. They are of the \
            worst predictions or, where there are few, of the labels with the highest probability.",
        no_maps: "Networks with model.head = \"label_map\" show heat maps here.",
    },
};

/// Korean.
pub static KOREAN: Words = Words {
    code: "ko",
    loss_by_epoch: "에포크별 손실",
    loss_axis: "손실 (평균 이진 교차 엔트로피)",
    boxes_note: "학습 손실에는 박스 손실도 들어 있어 더 높습니다.",
    accuracy_by_epoch: "에포크별 정확도",
    accuracy_axis: "정확도 (맞은 칸의 비율)",
    training_note: "학습 정확도는 학습 중에 증강과 드롭아웃을 켠 채로 잰 값입니다.",
    precision_by_epoch: "에포크별 mAP",
    precision_axis: "검증 이미지의 mAP",
    rate_by_epoch: "에포크별 학습률",
    rate_axis: "에포크 끝의 학습률",
    epoch: "에포크",
    training: "학습",
    held_out: "검증",
    fold: |fold| format!("폴드 {fold}"),
    goes: |name, from, to, epoch| format!("{name}: {from}에서 에포크 {epoch}의 {to}까지"),
    differs: "기본값과 다른 설정입니다.",
    setting_columns: ["설정", "값", "기본값"],
    all_settings: "모든 설정 (config.toml)",
    true_labels: "정답 라벨",
    false_negative: "거짓 음성",
    false_positive: "거짓 양성",
    true_positive: "참 양성",
    the_image: "이미지",
    peak: "최댓값",
    fold_and_loss: |fold, loss| format!("폴드 {fold}, 손실 {loss:.3}"),
    image_with: |id, labels| format!("이미지 {id}, 라벨 {labels}"),
    map_of: |label| format!("{label}의 히트맵"),
    hours: |hours, minutes| format!("{hours}시간 {minutes}분"),
    minutes: |minutes, seconds| format!("{minutes}분 {seconds}초"),
    seconds: |seconds| format!("{seconds}초"),
    live: LiveWords {
        run: "학습 실행",
        images: "이미지",
        curves: "학습 곡선",
        folds: "폴드",
        settings: "설정",
        log: "로그의 마지막 줄",
        other: ["English", "en"],
        predict: "이미지 예측",
        predict_others: "다른 이미지 예측",
        predict_note: "가장 최근의 최고 가중치로 검증 이미지를 예측합니다. 스레드 하나를 씁니다.",
        predicting: "예측 중…",
        no_weights: "아직 가중치가 없습니다. 첫 에포크가 끝나면 생깁니다.",
        pause: "멈춤",
        resume: "계속",
        offline: "soup watch가 응답하지 않습니다. 응답을 기다립니다.",
        stays: "이 페이지는 실행 폴더를 읽기만 합니다.",
        last_sign: "마지막 기록:",
        no_run: "여기에는 실행이 없습니다. 생기면 이어서 보여 줍니다.",
        damaged: "실행의 파일 하나를 읽을 수 없습니다. 읽을 수 있게 되면 이어서 보여 줍니다.",
        no_epoch: "아직 끝난 에포크 없음",
        ended: "끝났습니다. 모든 폴드가 학습되었습니다.",
        quiet: "지금은 아무것도 기록되지 않습니다. 같은 --out으로 soup train을 실행하면 이어집니다.",
        diverged: |found| {
            let Divergence {
                fold, epoch, step, ..
            } = found;
            let bf16 = match found.in_bf16 {
                true => ", 또는 model.precision=f32로 학습하세요",
                false => "",
            };
            let kept = match found.best_epoch {
                Some(best) => format!("에포크 {best}의 가장 좋은 가중치는 남아 있습니다."),
                None => "그 전에 끝난 에포크는 없습니다.".to_owned(),
            };
            format!(
                "발산: 폴드 {fold}, 에포크 {epoch}, 스텝 {step}에서 학습이 멈췄습니다 ({}). {kept} 새 실행(--out)에서 \
                 train.rate를 낮추거나 train.clip_norm=1로 그래디언트를 제한하세요{bf16}.",
                found.what
            )
        },
        is_diverged: "발산",
        trains: |folds| format!("학습 중입니다. {folds}"),
        progress: |fold, done, of| match of {
            Some(of) => format!("폴드 {fold}: 에포크 {of}개 중 {done}개 완료."),
            None => format!("폴드 {fold}: 에포크 {done}개 완료."),
        },
        step: |step, of| match of {
            Some(of) => format!("{of}스텝 중 {step}스텝"),
            None => format!("{step}스텝"),
        },
        best_accuracy: "검증 정확도",
        best_note: "폴드별 최고 에포크의 평균",
        epochs: "끝난 에포크",
        folds_done: |done, of| format!("폴드 {of}개 중 {done}개 완료"),
        time: "시간",
        left: |time| format!("시작한 폴드에 약 {time} 남음"),
        speed: "속도",
        speed_unit: "초당 학습 이미지 수",
        memory: "메모리",
        memory_note: "프로세스의 최대치",
        loss: "손실",
        fold_columns: [
            "#폴드",
            "#에포크",
            "#최고 에포크",
            "#정확도",
            "#손실",
            "#mAP",
            "마지막 체크포인트",
        ],
        fold_note: "정확도, 손실, mAP는 최고 에포크에서 검증 이미지로 잰 값입니다.",
        predicted_by: |fold, epoch| {
            format!("폴드 {fold}의 검증 이미지를 에포크 {epoch}의 가중치로 예측했습니다.")
        },
        maps_note: "빨간 히트맵은 모델이 라벨을 본 위치를 각 맵의 최솟값부터 최댓값까지로 보여 줍니다. 가장 크게 틀린 예측이 \
            먼저이고, 없으면 확률이 가장 높은 라벨입니다.",
        no_maps: "model.head = \"label_map\"인 모델이면 히트맵이 여기에 나옵니다.",
    },
};
