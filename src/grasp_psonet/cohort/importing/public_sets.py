"""Public sets of skin photos that the user has: ISIC trap splits, PAD-UFES-20, SCIN, Fitzpatrick17k."""

import ast

import pandas as pd

from grasp_psonet.cohort.importing.request import (
    NOT_TOLD,
    Imported,
    Request,
    by_stem,
    classes_settings,
    read_source,
    refuse_faults,
    skin_type,
    the_file,
    with_photos,
)
from grasp_psonet.errors import SettingsError, TableError
from grasp_psonet.tables.columns import FITZPATRICK, PATH, PATIENT_ID, PHOTO_ID, SPLIT, VIEW, VISIT_ID

_ARTEFACTS = ("dark_corner", "hair", "gel_border", "gel_bubble", "ruler", "ink", "patches")
_NO_PATIENTS = "the set tells no patients: every {} counts as one, so two of one person may stand in two splits"
_NO_ORDER = "these classes have no order; weighted kappa takes the one given in severity.classes"


def read_isic_traps(request: Request) -> Imported:
    """Trap splits of ISIC 2018 (Bissoto, Valle and Avila 2020): artefacts speak for a class in training and against it in test.

    Layout assumed: ``trap-sets/isic_annotated_train1.csv``, ``..._val1.csv``, ``..._test1.csv`` (1 to 5, ``--trap``), with
    columns
    image (ISIC_0000000.png), dark_corner, hair, gel_border, gel_bubble, ruler, ink, patches, label_string (benign, malignant);
    the photos of ISIC 2018 task 1-2 in ``--photos``, by their name without ending. Artefacts become columns of photos.csv.
    """
    number = 1 if request.trap is None else request.trap
    stems, tables = by_stem(request.photos or request.source), []
    for split in ("train", "val", "test"):
        name = f"isic_annotated_{split}{number}.csv"
        if request.source.is_file():
            raise TableError(f"{request.source} is a file\n  next: name the folder that holds {name}")
        path = the_file(request.source, (f"trap-sets/{name}", f"isic-trap-csv/{name}", name))
        tables.append(read_source(path, ("image", *_ARTEFACTS, "label_string")).assign(split=split))
    table = pd.concat(tables, ignore_index=True)
    table[VISIT_ID] = table["image"].map(lambda name: name.rpartition(".")[0] or name)
    twice = table.loc[table[VISIT_ID].duplicated(), VISIT_ID]
    refuse_faults([f"{name} stands in two rows or two splits" for name in twice], f"trap set {number}")
    visits = pd.DataFrame({VISIT_ID: table[VISIT_ID], PATIENT_ID: table[VISIT_ID]})
    visits = visits.assign(diagnosis_reader1=table["label_string"], **{SPLIT: table[SPLIT]})
    photos = pd.DataFrame(
        {PHOTO_ID: table[VISIT_ID], VISIT_ID: table[VISIT_ID], PATH: table[VISIT_ID].map(stems).fillna("")}
    )
    photos = photos.join(table[list(_ARTEFACTS)])
    folder = request.photos or request.source
    visits, photos, notes = with_photos(visits, photos, folder, PHOTO_ID)
    return Imported(
        visits,
        photos,
        folder,
        classes_settings(("benign", "malignant"), "diagnosis"),
        (_NO_PATIENTS.format("photo"), *notes),
        "photos of ISIC 2018: CC BY-NC 4.0, as the challenge states it; the trap splits come without a stated licence",
        "Bissoto A, Valle E, Avila S. Debiasing Skin Lesion Datasets and Models? Not So Fast. ISIC workshop, CVPR 2020. "
        "Codella N et al. Skin Lesion Analysis Toward Melanoma Detection 2018. arXiv:1902.03368.",
    )


def read_pad_ufes(request: Request) -> Imported:
    """PAD-UFES-20 (Pacheco et al. 2020): smartphone photos of skin lesions; a visit is a lesion.

    Layout assumed: ``metadata.csv`` with columns patient_id, lesion_id, img_id (PAT_1516_1765_530.png), diagnostic (NEV, SEK,
    ACK, BCC, SCC, MEL), fitspatrick, age, gender, region; photos anywhere below the folder (imgs_part_1 to 3) or ``--photos``.
    The label is ``cancer`` (benign: NEV, SEK, ACK; cancer: BCC, SCC, MEL), or with ``--label diagnostic`` the diagnosis.
    """
    label = _label_of(request, ("cancer", "diagnostic"))
    wanted = ("patient_id", "lesion_id", "img_id", "diagnostic", "fitspatrick", "age", "gender", "region")
    table = read_source(the_file(request.source, ("metadata.csv",)), wanted)
    cancer = {"NEV": "benign", "SEK": "benign", "ACK": "benign", "BCC": "cancer", "SCC": "cancer", "MEL": "cancer"}
    unknown = table[~table["diagnostic"].isin(cancer)]
    refuse_faults(
        [f"metadata.csv row {row}: diagnostic {name!r}" for row, name in unknown["diagnostic"].items()], "metadata.csv"
    )
    lesion = table["patient_id"] + "-" + table["lesion_id"]
    visits = pd.DataFrame({VISIT_ID: lesion, PATIENT_ID: table["patient_id"]})
    visits["cancer"], visits["diagnostic"] = table["diagnostic"].map(cancer), table["diagnostic"]
    visits[FITZPATRICK] = table["fitspatrick"].map(skin_type)
    visits["age"], visits["sex"], visits["region"] = (
        table["age"],
        table["gender"].str.lower(),
        table["region"].str.lower(),
    )
    visits = _one_per_visit(visits, "metadata.csv").rename(columns={label: f"{label}_reader1"})
    folder = request.photos or (request.source if request.source.is_dir() else request.source.parent)
    stems = by_stem(folder)
    names = table["img_id"].map(lambda name: name.rpartition(".")[0] or name)
    photos = pd.DataFrame({PHOTO_ID: names, VISIT_ID: lesion, PATH: names.map(stems).fillna("")})
    visits, photos, notes = with_photos(visits, photos, folder, PHOTO_ID)
    classes = ("benign", "cancer") if label == "cancer" else ("NEV", "SEK", "ACK", "BCC", "SCC", "MEL")
    return Imported(
        visits,
        photos,
        folder,
        classes_settings(classes, label),
        tuple(notes + ([_NO_ORDER] if label == "diagnostic" else [])),
        "CC BY 4.0",
        "Pacheco AGC et al. PAD-UFES-20: a skin lesion dataset composed of patient data and clinical images collected from "
        "smartphones. Data in Brief 32, 2020, 106221.",
    )


def read_scin(request: Request) -> Imported:
    """SCIN (Ward et al. 2024): cases of one to three photos given by their owners; a visit is a case.

    Layout assumed: ``scin_cases.csv`` (case_id, image_1_path to image_3_path, image_1_shot_type to 3, age_group, sex_at_birth,
    fitzpatrick_skin_type) and ``scin_labels.csv`` (case_id, weighted_skin_condition_label as {'Eczema': 0.6, ...},
    dermatologist_fitzpatrick_skin_type_label_1), in the folder or in ``dataset/``; photos below it or ``--photos``, by their
    name.
    The label is the condition of most weight; of those in ``--classes``, by default the two most frequent.
    """
    names = ("scin_cases.csv", "dataset/scin_cases.csv", "dataset_scin_cases.csv")
    cases_file = the_file(request.source, names)
    numbers = (1, 2, 3)
    images = [f"image_{n}_{kind}" for n in numbers for kind in ("path", "shot_type")]
    cases = read_source(cases_file, ("case_id", *images, "age_group", "sex_at_birth", "fitzpatrick_skin_type"))
    type_column = "dermatologist_fitzpatrick_skin_type_label_1"
    labels_file = cases_file.with_name(cases_file.name.replace("cases", "labels"))
    labels = read_source(labels_file, ("case_id", "weighted_skin_condition_label", type_column))
    for name, one in ((cases_file.name, cases), (labels_file.name, labels)):
        twice = one.loc[one["case_id"].duplicated(), "case_id"]
        refuse_faults([f"{name} row {row}: case_id {case} stands twice" for row, case in twice.items()], name)
    told = labels.set_index("case_id")
    condition = told["weighted_skin_condition_label"].map(_first_condition)
    table = cases.assign(condition=cases["case_id"].map(condition).fillna(""))
    notes = [_NO_PATIENTS.format("case"), _NO_ORDER]
    classes = request.classes or tuple(table.loc[table["condition"] != "", "condition"].value_counts().index[:2])
    if len(classes) < 2:
        raise TableError(
            f"{labels_file.name} tells {len(classes)} condition(s)\n  next: at least two classes are needed"
        )
    used = table[table["condition"].isin(classes)]
    notes.append(
        f"{len(table) - len(used)} of {len(table)} cases are none of {', '.join(classes)} and are left out (--classes)"
    )
    doctor = used["case_id"].map(told[type_column]).fillna("")
    types = doctor.where(~doctor.str.lower().isin(NOT_TOLD), used["fitzpatrick_skin_type"])
    visit = "case" + used["case_id"]  # ids begin with a minus, which a spreadsheet takes for a formula
    visits = pd.DataFrame({VISIT_ID: visit, PATIENT_ID: visit, "condition_reader1": used["condition"]})
    visits = visits.assign(
        **{FITZPATRICK: types.map(skin_type)}, age=used["age_group"].str.lower(), sex=used["sex_at_birth"].str.lower()
    )
    folder = request.photos or (request.source if request.source.is_dir() else request.source.parent)
    stems, rows = by_stem(folder), []
    for visit_id, case in zip(visit, used.to_dict("records"), strict=True):
        for n in numbers:
            if name := case[f"image_{n}_path"]:
                stem = name.rpartition("/")[2].rpartition(".")[0]
                rows.append((f"{visit_id}-{n}", visit_id, case[f"image_{n}_shot_type"].lower(), stems.get(stem, "")))
    photos = pd.DataFrame(rows, columns=[PHOTO_ID, VISIT_ID, VIEW, PATH])
    visits, photos, more = with_photos(visits, photos, folder, PHOTO_ID)
    return Imported(
        visits,
        photos,
        folder,
        classes_settings(classes, "condition"),
        (*notes, *more),
        "SCIN Data Use License (its terms forbid to identify people)",
        "Ward A et al. Creating an empirical dermatology dataset through crowdsourcing with web search advertisements. JAMA "
        "Network Open 7(11), 2024, e2446615.",
    )


def read_fitzpatrick17k(request: Request) -> Imported:
    """Fitzpatrick17k (Groh et al. 2021): photos of two atlases; a visit is a photo.

    Layout assumed: ``fitzpatrick17k.csv`` with columns md5hash, fitzpatrick_scale (-1: not told), label, nine_partition_label,
    three_partition_label; photos called md5hash with any ending below ``--photos`` or beside the table. ``--label`` chooses
    among
    the three labels (default three_partition_label), ``--classes`` names the classes to keep, in order.
    """
    label = _label_of(request, ("three_partition_label", "nine_partition_label", "label"))
    wanted = ("md5hash", "fitzpatrick_scale", "label", "nine_partition_label", "three_partition_label")
    path = the_file(request.source, ("fitzpatrick17k.csv",))
    table = read_source(path, wanted)
    twice = table.loc[table["md5hash"].duplicated(), "md5hash"]
    refuse_faults([f"{path.name} row {row}: md5hash {name} stands twice" for row, name in twice.items()], path.name)
    three = ("non-neoplastic", "benign", "malignant")
    classes = request.classes or (
        three if label == "three_partition_label" else tuple(sorted(set(table[label]) - {""}))
    )
    used = table[table[label].isin(classes)]
    notes = [_NO_PATIENTS.format("photo"), _NO_ORDER]
    if len(used) < len(table):
        notes.append(f"{len(table) - len(used)} of {len(table)} photos are of other classes and are left out")
    folder = request.photos or path.parent
    stems = by_stem(folder)
    visits = pd.DataFrame({VISIT_ID: used["md5hash"], PATIENT_ID: used["md5hash"], f"{label}_reader1": used[label]})
    visits[FITZPATRICK] = used["fitzpatrick_scale"].map(skin_type)
    for other in ("label", "nine_partition_label", "three_partition_label", "qc"):
        if other != label and other in used:
            visits[other] = used[other]
    photos = pd.DataFrame(
        {PHOTO_ID: used["md5hash"], VISIT_ID: used["md5hash"], PATH: used["md5hash"].map(stems).fillna("")}
    )
    visits, photos, more = with_photos(visits, photos, folder, PHOTO_ID)
    return Imported(
        visits,
        photos,
        folder,
        classes_settings(classes, label),
        (*notes, *more),
        "annotations: CC BY-NC-SA 3.0; photos: those of the atlases they come from",
        "Groh M et al. Evaluating deep neural networks trained on clinical images in dermatology with the Fitzpatrick 17k "
        "dataset. CVPR workshops 2021.",
    )


def _label_of(request: Request, offered: tuple[str, ...]) -> str:
    label = request.label or offered[0]
    if label not in offered:
        raise SettingsError(f"--label {label} is none of {', '.join(offered)}\n  next: choose one of them")
    return label


def _one_per_visit(visits: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row per visit. Raises TableError where the rows of a visit tell different things."""
    unique = visits.drop_duplicates()
    twice = unique.loc[unique[VISIT_ID].duplicated(), VISIT_ID].drop_duplicates()
    refuse_faults([f"the rows of {visit_id} contradict each other" for visit_id in twice], name)
    return unique.reset_index(drop=True)


def _first_condition(cell: str) -> str:
    """The condition of most weight; empty where there is none or two share the first place.

    Raises TableError for what is no dict.
    """
    if cell in ("", "{}"):
        return ""
    try:
        weights = ast.literal_eval(cell)
        order = sorted(((float(weight), str(name)) for name, weight in weights.items()), reverse=True)
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError):
        raise TableError(f"weighted_skin_condition_label {cell[:80]!r} is no {{condition: weight}}") from None
    if len(order) > 1 and order[0][0] == order[1][0]:
        return ""
    return order[0][1]
