"""The language of a short request: by its script, and by words that few other languages have.

Published detectors were tried on the 329 requests of `jobs/drone`: py3langid needs numpy and seconds to load, CLD3
misreads a fifth of such short English texts, and CLD2 takes some Spanish and Italian ones for English. A request
without evidence passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.generation.checks.spoken import folded, word_set

_LETTERS = re.compile(r"[^\W\d_]+")
_LEAST_LETTERS = 4
_LEAST_WORDS = 2

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("latin", re.compile("[a-z\u00aa-\u024f\u1e00-\u1eff]")),
    ("cyrillic", re.compile("[\u0400-\u052f]")),
    ("greek", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("arabic", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("hebrew", re.compile("[\u0590-\u05ff]")),
    ("devanagari", re.compile("[\u0900-\u097f]")),
    ("thai", re.compile("[\u0e00-\u0e7f]")),
    ("hangul", re.compile("[\u1100-\u11ff\uac00-\ud7a3]")),
    ("kana", re.compile("[\u3040-\u30ff]")),
    ("han", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
)
_SCRIPTS_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(word_set("ru uk bg sr be mk kk"), ("cyrillic",)),
    **dict.fromkeys(word_set("ar fa ur"), ("arabic",)),
    **dict.fromkeys(word_set("hi mr ne"), ("devanagari",)),
    "el": ("greek",), "he": ("hebrew",), "th": ("thai",), "ko": ("hangul", "han"), "ja": ("kana", "han"),
    "zh": ("han",), "sr": ("cyrillic", "latin"), "kk": ("cyrillic", "latin"),
}  # fmt: skip
_WORDS: dict[str, frozenset[str]] = {
    language: word_set(words)
    for language, words in {
        "en": "the and you your please with to of is are it this that my me i for on at from could would can "
        "turn what "
        "how when while so but not don't i'd i'm let's we our have has be do does by as until take make",
        "de": "der die das und ist nicht bitte mit auf ich du sie mein dein ein eine einen dem den zu von fur "
        "im am auch "
        "mach schalte kannst konntest wir uns bis nach aus wie noch jetzt mir sich es",
        "fr": "le la les des une et est pas vous je tu mon ma votre ton avec pour dans sur au aux du s'il te plait "
        "peux pourrais veuillez jusqu'a qui que ce cette nous il faut mets ne",
        "es": "el los las y es por favor con para una del al mi tu su en que puedes podrias hasta este esta "
        "como no se "
        "ahora quiero pon haz lo le un la",
        "it": "il lo gli e per favore con di una del della al mio tua puoi potresti fino che questo questa come "
        "non si "
        "ora vorrei sul nel alla la le un in",
        "pt": "o os as e por favor com para uma do da ao meu sua voce pode poderia ate que este esta como nao "
        "se agora "
        "quero um em no na de",
        "nl": "de het een en is niet met op ik je jij mijn van voor naar aan alsjeblieft kun kan zou graag tot "
        "dat die "
        "dit we ons uit hoe nu doe zet",
        "sv": "och att det som en ett ar inte med pa jag du min din for till av den kan skulle tack snalla vi "
        "oss fran "
        "hur nu slack satt",
        "da": "og at det som en et er ikke med pa jeg du min din for til af den kan kunne tak venligst vi os "
        "fra hvor nu "
        "sluk saet",
        "no": "og at det som en et er ikke med pa jeg du min din for til av den kan kunne takk vennligst vi oss "
        "fra hvor "
        "na slukk sett",
        "pl": "i w na z do nie jest to sie prosze czy mozesz moj twoj dla od po jak teraz przez ze wlacz wylacz",
        "tr": "ve bir bu icin lutfen ile de da mi ne nasil benim senin simdi kadar olan kapat ac",
        "fi": "ja on ei se etta minun sinun voisitko ole hyva nyt kiitos kanssa mutta sammuta laita",
        "cs": "a v na s do ne je to se prosim muzes muj tvuj pro od po jak ted pres ze zapni vypni",
        "id": "dan di ke dari yang ini itu tolong untuk dengan saya anda tidak bisa sampai sekarang",
    }.items()
}  # fmt: skip


def other_language(text: str, language: str) -> str | None:
    """The language or script of a request that is clearly not in `language`; else None.

    A language without listed words is recognised by its script only.
    """
    letters = text.lower()
    if letters.isascii():
        script = "latin" if sum(map(str.isalpha, letters)) >= _LEAST_LETTERS else None
    else:
        script = _script(letters)
    expected = _SCRIPTS_OF.get(language, ("latin",))
    if script and script not in expected:
        return next((code for code, scripts in _SCRIPTS_OF.items() if scripts[0] == script), script)
    if script == "han" and language == "ja":
        return None  # a short Japanese request may have no kana
    if script != "latin" or language not in _WORDS:
        return None
    return _by_words(folded(text), language, is_accented=language == "en" and not letters.isascii())


def _script(letters: str) -> str | None:
    counts = {name: len(pattern.findall(letters)) for name, pattern in _SCRIPTS}
    name = max(counts, key=lambda each: counts[each])
    if counts["kana"] and name == "han":
        name = "kana"
    return name if counts[name] >= (1 if name in ("han", "kana", "hangul") else _LEAST_LETTERS) else None


def _by_words(plain: str, language: str, *, is_accented: bool) -> str | None:
    """A language other than `language` with at least two marker words in the request, and three times as many as
    `language`.

    For English, a non-English letter counts as such a word.
    """
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", plain)
    own = sum(word in _WORDS[language] for word in words)
    scores = dict(_scores(words, language))
    best = max(scores, key=lambda each: scores[each])
    accented = 1 if is_accented and scores[best] else 0
    return best if scores[best] + accented >= max(_LEAST_WORDS, 3 * own) else None


def _scores(words: list[str], language: str) -> Iterator[tuple[str, int]]:
    for other, known in _WORDS.items():
        if other != language:
            yield other, sum(word in known and word not in _WORDS[language] for word in words)
