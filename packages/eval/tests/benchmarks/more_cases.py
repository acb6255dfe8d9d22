"""Small files in the layout that benchmarks publish, with answers and what they score."""

import io

from PIL import Image

OPTIONS = ["left", "right"]


def picture(rows):
    """A mask as it is published: PNG bytes, white inside."""
    image = Image.new("L", (len(rows[0]), len(rows)))
    image.putdata([255 * value for row in rows for value in row])
    data = io.BytesIO()
    image.save(data, format="PNG")
    return {"bytes": data.getvalue(), "path": "mask.png"}


# Right half of a picture of 4 x 2 pixels.
RIGHT_HALF = [[0, 0, 1, 1], [0, 0, 1, 1]]


def blink(idx, task, answer):
    row = {"idx": idx, "question": "Which?", "sub_task": task, "choices": OPTIONS, "answer": answer}
    return row | {"prompt": "Which? (A) left (B) right"}


def cv(idx, source, task, answer):
    row = {"idx": idx, "type": "2D", "task": task, "question": "Which?", "choices": OPTIONS, "answer": answer}
    return row | {"source": source}


def site(i, category, options, answer):
    return {"id": i, "question": "Which?", "options": options, "answer": answer, "category": category, "dataset": "d"}


def dsr(qid, category, answer):
    row = {"index": f"r-{qid}", "qid": qid, "question": "Which?", "category": category, "answer": answer}
    return row | {"A": "left", "B": "right", "C": "nan", "D": "nan"}


def omni(i, task, sub_task, answer):
    row = {"id": i, "question": "Which?", "options": OPTIONS, "answer": answer}
    return row | {"task_type": task, "sub_task_type": sub_task}


def viz(i, category, task, answer):
    row = {"Image_id": i, "Question": "Which?", "Choices": ["x", "y", "z", "w"], "Answer": answer}
    return row | {"Category": category, "Task": task, "Level": "Level0"}


BLINK = [
    blink("val_Jigsaw_1", "Jigsaw", "(A)"),
    blink("val_Jigsaw_2", "Jigsaw", "(B)"),
    blink("val_Counting_1", "Counting", "(B)"),
]
CV_BENCH = [
    *(cv(i, "ADE20K", "Count", "(A)") for i in range(3)),
    cv(3, "COCO", "Relation", "(B)"),
    cv(4, "Omni3D", "Depth", "(B)"),
]
SITE = [
    site(0, "counting & existence", ["1", "2", "3", "4"], "B"),
    site(1, "counting & existence", ["1", "2", "3", "4"], "C"),
    site(2, "movement prediction & navigation", OPTIONS, "A"),
]
DSR = [
    *(dsr(f"VIN6MS3J{variant}", "height_higher", "A") for variant in ("", "-1", "-flip", "-flip-1")),
    *(dsr(f"ABCDEFGH{variant}", "location_above", "B") for variant in ("", "-1")),
]
REFSPATIAL = [{"id": i, "prompt": "Point at it.", "mask": picture(RIGHT_HALF)} for i in range(2)]
WHERE2PLACE = [{"question_id": i, "question": "Where?", "mask": picture(RIGHT_HALF)} for i in range(3)]
ROBOSPATIAL = [
    {"category": "configuration", "question": "Is it left?", "answer": "yes", "mask": None},
    {"category": "compatibility", "question": "Does it fit?", "answer": "no", "mask": None},
    {"category": "context", "question": "Where?", "answer": "[(0.7, 0.5)]", "mask": picture(RIGHT_HALF)},
]
SAT = [
    {"question": "Which?", "question_type": "ego_movement", "answers": OPTIONS, "correct_answer_idx": 1},
    {"question": "Which?", "question_type": "perspective", "answers": OPTIONS, "correct_answer_idx": 0},
]
REALWORLDQA = [
    {"question": "Which way?\nA. left\nB. right\nPlease answer directly with a letter.", "answer": "B"},
    {"question": "Is it going uphill or downhill?", "answer": "Downhill"},
]
OMNISPATIAL = [omni(0, "Perspective_Taking", "Egocentric", 1), omni(1, "Complex_Logic", "Pattern_Recognition", 0)]
SPBENCH = [
    {"id": 0, "question_type": "object_counting", "question": "How many?", "options": None, "ground_truth": "2"},
    {
        "id": 1,
        "question_type": "object_rel_distance",
        "question": "Which?",
        "options": ["A. x", "B. y"],
        "ground_truth": "B",
    },
]
SPATIALVIZ = [viz(0, "MentalRotation", "3DRotation", "C"), viz(1, "MentalFolding", "PaperFolding", "A")]
MMSI_VIDEO = [
    {"id": i, "question": "Which?", "ground_truth": truth, "type": kind, "options": ["A. x", "B. y"]}
    for i, (truth, kind) in enumerate([("B", "Planning"), ("A. x", "Prediction")])
]
RECALL = [
    {"id": i, "question": "Which order?", "options": ["A. x, y", "B. y, x"], "answer": "B. y, x", "type": length}
    for i, length in enumerate(("10mins", "60mins"))
]
COUNT = [
    {"id": i, "question": "How many?", "answer": truth, "split": length}
    for i, (truth, length) in enumerate([(20, "10mins"), (4, "30mins")])
]
VSTI = [
    {"id": i, "question_type": kind, "question": "Which?", "ground_truth": truth, "mc_answer": letter, "options": None}
    for i, (kind, truth, letter) in enumerate(
        [
            ("camera_obj_abs_dist", "2.0", "A"),
            ("obj_obj_relative_pos_lr", "left", "B"),
            ("camera_obj_rel_dist_v1", "chair", "C"),
            ("camera_obj_rel_dist_v2", "chair", "A"),
        ]
    )
]

MORE = {
    "blink": (
        "val-00000-of-00001.parquet",
        BLINK,
        {"val_Jigsaw_1": "(A)", "val_Jigsaw_2": "B", "val_Counting_1": "(B)"},
        {"Jigsaw": 50, "Counting": 100},
        75,
    ),
    "cv-bench": (
        "test_2d.parquet",
        CV_BENCH,
        {0: "(A) left", 1: "A", 2: "B", 3: "b.", 4: "(A)"},
        {"ADE20K": round(200 / 3, 9), "COCO": 100, "Omni3D": 0},
        125 / 3,
    ),
    "site": (
        "site.json",
        SITE,
        {0: "The answer is (B)", 1: "D", 2: "A: left"},
        {"counting & existence": 50, "movement prediction & navigation": 100},
        200 / 3,
    ),
    "3dsrbench": (
        "3dsr_circular.json",
        DSR,
        {
            **{f"r-VIN6MS3J{variant}": "A" for variant in ("", "-1", "-flip")},
            "r-VIN6MS3J-flip-1": "B",
            **{f"r-ABCDEFGH{variant}": "The answer is B" for variant in ("", "-1")},
        },
        {"height_higher": 75, "location_above": 100},
        500 / 6,
    ),
    "refspatial": (
        "Location.parquet",
        REFSPATIAL,
        {0: "[(0.6, 0.5), (0.1, 0.1)]", 1: "there"},
        {"location": 25},
        25,
    ),
    "where2place": (
        "test.parquet",
        WHERE2PLACE,
        {0: "[(0.6, 0.5)]", 1: "[(0.6, 0.5), (1.5, 0.5)]", 2: "(0.1, 0.1)"},
        {"placement": 50},
        50,
    ),
    "robospatial": (
        "home.parquet",
        ROBOSPATIAL,
        {0: "It stands there.\nAnswer: yes", 1: "Yes or no", 2: '```json\n[{"point_2d": [700, 500]}]\n```'},
        {"configuration": 100, "compatibility": 0, "context": 100},
        200 / 3,
    ),
    "sat-real": ("test.parquet", SAT, {0: "(B)", 1: "A. left"}, {"ego_movement": 100, "perspective": 0}, 50),
    "realworldqa": ("test.parquet", REALWORLDQA, {0: "B. right", 1: "downhill."}, {"choice": 100, "open": 100}, 100),
    "omnispatial": (
        "data.json",
        OMNISPATIAL,
        {0: "It is right.\nAnswer: B", 1: "no line"},
        {"Egocentric": 100, "Pattern_Recognition": 100},
        100,
    ),
    "spbench": (
        "SPBench-SI.json",
        SPBENCH,
        {0: "2", 1: "A"},
        {"object_counting": 100, "object_rel_distance": 0},
        50,
    ),
    "spatialviz": (
        "test.parquet",
        SPATIALVIZ,
        {0: "<think>A</think><answer>C. z</answer>", 1: "B"},
        {"3DRotation": 100, "PaperFolding": 0},
        50,
    ),
}

OST = [
    {"index": i, "question": "Which?", "answer": answer, "type": kind, "option": option}
    for i, (kind, answer, option) in enumerate(
        [
            ("A_position(option)", "left", "['left', 'right']"),
            ("A_position(float)", "2", "[]"),
            ("A_object-quantity(int)", "3", "[]"),
            ("A_room-size(float)", "30", "[]"),
        ]
    )
]

STARE = [
    {"qid": f"s{i}", "question": "Does it fit?", "answer": answer, "category": kind}
    for i, (answer, kind) in enumerate([("yes", "folding_nets"), ("No", "folding_nets"), ("C", "2D_va")])
]

MORE |= {
    "stare": (
        "train.parquet",
        STARE,
        {"s0": "\\boxed{yes}", "s1": "The answer is yes.", "s2": "C. the star"},
        {"folding_nets": 50, "2D_va": 100},
        200 / 3,
    ),
    "ost-bench": (
        "OST.json",
        OST,
        {0: '{"answer": "to the left", "reason": "it turned"}', 1: "2.1", 2: "four"},
        {"A_position(option)": 100, "A_position(float)": 90, "A_object-quantity(int)": 0},
        190 / 3,
    ),
    "mmsi-video": (
        "test.json",
        MMSI_VIDEO,
        {0: "The answer is B, y", 1: "no answer"},
        {"Planning": 100, "Prediction": 0},
        50,
    ),
    "vsi-super-recall": ("test.parquet", RECALL, {0: "B", 1: "the order is B"}, {"10mins": 100, "60mins": 0}, 50),
    "vsi-super-count": ("test.parquet", COUNT, {0: "about 18", 1: "many"}, {"10mins": 90, "30mins": 0}, 45),
    "vsti-bench": (
        "test.json",
        VSTI,
        {0: "2.1 m", 1: "B. left", 2: "A", 3: "a."},
        {
            "camera_obj_abs_dist": 100,
            "obj_obj_relative_pos_lr": 100,
            "camera_obj_rel_dist_v1": 0,
            "camera_obj_rel_dist_v2": 100,
        },
        75,
    ),
}


def angles(i, category, answer, other):
    row = {"index": i, "folder": f"{i // 2:02}_scene", "category": category, "pair_idx": other, "question": "Which?"}
    return row | {"image_path": [f"{i}/1.jpg", f"{i}/2.jpg"], "A": "left", "B": "right", "C": "both", "answer": answer}


UNIT, LONG = [[0, 0, 0], [1, 1, 1]], [[0, 0, 0], [2, 1, 1]]
SCANREFER = [
    {"scene_id": "scene0011_00", "object_id": str(i), "ann_id": "0", "bbox": UNIT}
    | {"eval_type": kind, "description": "The box."}
    for i, kind in enumerate(["unique", "multiple", "multiple"])
]
MULTI3DREFER = [
    {"scene_id": "scene0011_00", "ann_id": i, "eval_type": kind, "aabb_bound": boxes, "description": "Find them."}
    for i, (kind, boxes) in enumerate([("zt_w_d", []), ("st_w_d", [UNIT]), ("mt", [UNIT, [[5, 5, 5], [6, 6, 6]]])])
]
SCAN2CAP = [
    {"scene_id": "scene0011_00", "object_id": str(i), "object_name": name, "token": ["a", "brown", name]}
    for i, name in enumerate(["chair", "table"])
]
VSR = [
    {"image": f"{i}.jpg", "caption": "The cat is left of the dog.", "label": label, "relation": relation}
    for i, (label, relation) in enumerate([(1, "left of"), (0, "left of"), (1, "among")])
]
ALL_ANGLES = [
    angles(0, "counting", "A", 1),
    angles(1, "counting", "B", 0),
    angles(2, "camera_pose", "C", 3),
    angles(3, "camera_pose", "C", 2),
    angles(4, "camera_pose", "A", None),
]

MORE |= {
    "scanrefer": (
        "ScanRefer_filtered_val_gt_bbox.json",
        SCANREFER,
        {
            "scene0011_00|0|0": UNIT,
            # Of the overlap of 1 and the union of 2 a billionth is added to the union: not a half.
            "scene0011_00|1|0": f"It is {LONG}.",
            "scene0011_00|2|0": "[0, 0, 0, 1, 1, 1]",
        },
        {"unique": 100, "multiple": 0},
        100 / 3,
    ),
    "multi3drefer": (
        "multi3drefer_val.json",
        MULTI3DREFER,
        {"scene0011_00|0": [], "scene0011_00|1": "nothing", "scene0011_00|2": [UNIT]},
        {"zt_w_d": 100, "st_w_d": 0, "mt": round(200 / 3, 9)},
        500 / 9,
    ),
    "scan2cap": (
        "ScanRefer_filtered_val.json",
        SCAN2CAP,
        {"scene0011_00|0|chair": "a brown chair", "scene0011_00|1|table": {"caption": "a brown table", "iou": 0.4}},
        # Of "sos eos" all words are in the reference, and two of its five in it.
        {"caption": round(50 + 50 * 2.44 * 0.4 / (0.4 + 1.44), 9)},
        50 + 50 * 2.44 * 0.4 / (0.4 + 1.44),
    ),
    "vsr": (
        "test.jsonl",
        VSR,
        {0: "True.", 1: "Yes", 2: "1"},
        {"projective": 50, "unallocated": 100},
        200 / 3,
    ),
    "all-angles": (
        "data.json",
        ALL_ANGLES,
        {"0": "A", "1": "(A)", "2": "The answer is C.", "3": "**C**", "4": "B or A"},
        {"counting": 50, "camera_pose": round(200 / 3, 9)},
        60,
    ),
}

FIGURES = {
    "scanrefer": {
        **dict.fromkeys(("unique Acc@0.25", "unique Acc@0.5"), 100),
        **{"multiple Acc@0.25": 50, "multiple Acc@0.5": 0, "overall Acc@0.25": 200 / 3, "overall Acc@0.5": 100 / 3},
    },
    "all-angles": {"pairs, both right": 50, "pairs, one right": 50, "pairs, both wrong": 0},
    "vsti-bench": {"camera-object relative distance": 50, "object-object relative position": 100},
    "cv-bench": {"Count": 200 / 3, "Relation": 100, "Depth": 0},
    # 2 of 3 right, chance 1/4 + 1/4 + 1/2 = 1 of 3.
    "site": {"CAA": 50, "CAA counting & existence": 100 / 3, "CAA movement prediction & navigation": 100},
    # Of VIN6MS3J the last of four variants is wrong; of ABCDEFGH both are right.
    "3dsrbench": {"height": 75, "location": 100, "flip": 75, "circular": 200 / 3, "flip and circular": 50},
    "omnispatial": {"Perspective_Taking": 100, "Complex_Logic": 100},
    "spatialviz": {"MentalRotation": 100, "MentalFolding": 0},
    "spar-bench": {"low": 100, "middle": 90, "middle, lmms-eval": 100},
    "viewspatial": {"Camera perspective": 50},
}
"""Further figures of the cases, in percent."""
