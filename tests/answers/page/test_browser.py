"""The page in a real browser."""

import time

import pytest
from made_up_answers import LABELS, answered, unanswered, write_sound

from erc_core.answers.page.write import write_page

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
HOSTILE = [
    "</script><img src=x onerror=\"document.title='broken'\">",
    "<script>document.title='broken'</script>",
    "' onfocus='document.title=1' \" onclick=\"document.title=1",
    "\u202e\u2067 right to left \u05e9\u05dc\u05d5\u05dd",
    "\N{FAMILY}\U0001f469\u200d\U0001f4bb\ufe0f\u0301",
    "x" * 10_000,
    "a\x00b\x07c\ud7ff",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} %3Cb%3E &lt;b&gt;",
]


@pytest.fixture
def conversation(tmp_path):
    """Return the page's path and the answer: 20 utterances of one recording, one without an answer."""
    none = unanswered(LABELS, 14)
    given = answered(20, recording=tmp_path / "a #1?.wav", status={14: "silent"}, detail={14: "no sound"}, **none)
    write_sound(given.recording, given.table["end"].max() + 2)
    return written(given, tmp_path / "out"), given


def written(given, folder, *, embed_audio=False):
    folder.mkdir(exist_ok=True)
    write_page(given, folder / "conversation.html", embed_audio=embed_audio)
    return folder / "conversation.html"


def row(page, number):
    return page.locator(f"#u{number}")


def is_playing(page):
    return page.evaluate("!document.querySelector('audio').paused")


def at(page):
    return page.evaluate("document.querySelector('audio').currentTime")


def until(page, condition):
    # page.wait_for_function would use eval, which the page's policy forbids
    end = time.monotonic() + 20
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_it_asks_for_nothing_but_its_sound_and_says_nothing(conversation, visit):
    path, given = conversation
    page = visit(path)
    until(page, "document.querySelector('audio').readyState >= 1")
    assert {url for url in page.asked if not url.startswith("data:")} == {path.as_uri(), given.recording.as_uri()}
    assert not page.said


def test_the_policy_forbids_networks(conversation, visit):
    page = visit(conversation[0])
    blocked = page.evaluate("""new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => done("nothing"), 1000));
    })""")
    assert blocked == "connect-src"


def test_every_row_is_there_without_a_script_too(conversation, visit):
    path, given = conversation
    page = visit(path, java_script_enabled=False)
    assert page.locator(".transcript li").count() == 20
    for number, text in enumerate(given.table["text"], start=1):
        assert row(page, number).locator(".said p[lang]").text_content() == text
    assert "no answer" in row(page, 15).text_content()
    assert "silent: no sound" in row(page, 15).text_content()
    assert page.locator(".marks i").count() == 20
    assert page.locator("audio").is_visible()
    assert not page.locator("#in").is_visible()


def test_a_click_plays_the_stretch_and_stops_at_its_end(conversation, visit):
    path, given = conversation
    page = visit(path)
    start, end = given.table.row(1, named=True)["start"], given.table.row(1, named=True)["end"]
    row(page, 2).click()
    until(page, f"document.querySelector('audio').currentTime > {start + 0.1}")
    assert start < at(page) <= end + 0.3
    assert "current" in row(page, 2).get_attribute("class")
    assert "Anna" in page.locator("#now").inner_text()
    until(page, "document.querySelector('audio').paused")
    assert end - 0.05 <= at(page) < end + 0.3


def test_a_block_in_the_time_line_plays_too(conversation, visit):
    path, given = conversation
    page = visit(path)
    page.locator(".marks i[data-u='9']").click()
    until(page, f"document.querySelector('audio').currentTime > {given.table['start'][8]}")
    assert "current" in row(page, 9).get_attribute("class")
    assert page.locator(".playhead").is_visible()


def test_the_keyboard_moves_and_plays(conversation, visit):
    path, given = conversation
    page = visit(path)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "u1"
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "u3"
    assert "Bruno" in page.locator("#now").inner_text()
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('audio').currentTime > {given.table['start'][2]}")
    assert is_playing(page)
    page.keyboard.press("Space")
    assert not is_playing(page)
    page.keyboard.press("Space")
    until(page, "!document.querySelector('audio').paused")
    page.keyboard.press("Escape")
    assert not is_playing(page)


def test_what_is_chosen_is_seen_beside_the_time_line_and_the_player(conversation, visit):
    page = visit(conversation[0], reduced_motion="reduce")
    for key in [*"j" * 20, *"k" * 19]:
        page.keyboard.press(key)
        seen = page.evaluate("""(() => {
            const { top, bottom } = document.activeElement.getBoundingClientRect();
            const above = document.querySelector(".timeline").getBoundingClientRect().bottom;
            return top >= above && bottom <= document.querySelector(".player").getBoundingClientRect().top;
        })()""")
        assert seen, page.evaluate("document.activeElement.id")


def test_tab_leads_past_the_list_by_one_stop(conversation, visit):
    page = visit(conversation[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "u1"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "previous"


def test_the_player_alone_goes_on_and_is_followed(conversation, visit):
    path, given = conversation
    page = visit(path)
    until(page, "document.querySelector('audio').readyState >= 1")
    page.evaluate(f"document.querySelector('audio').currentTime = {given.table['end'][6] - 0.2}")
    page.evaluate("document.querySelector('audio').play()")
    until(page, "document.querySelector('#u8.current')")
    until(page, "document.querySelector('#u9.current')")
    assert is_playing(page)


def test_filters(conversation, visit):
    path, given = conversation
    page = visit(path)
    unsure = given.table.filter(given.table["confidence"] < 0.5)
    page.locator("#unsure").click()
    assert page.locator(".transcript li:visible").count() == len(unsure)
    assert page.locator("#shown").inner_text() == f"{len(unsure)} of 20 shown"
    page.locator("#speaker").select_option(label="Anna")
    assert page.locator(".transcript li:visible").count() == len(unsure.filter(speaker="Anna"))
    page.locator("#speaker").select_option(label="all")
    page.locator("#unsure").click()
    page.locator(".chip", has_text="no answer").click()
    assert page.locator(".transcript li:visible").get_attribute("id") == "u15"
    page.locator(".chip", has_text="neutral").click()
    neutral = given.table.filter(emotion="neutral")
    assert page.locator(".transcript li:visible").count() == len(neutral) + 1
    assert page.locator(".marks i:not(.dim)").count() == len(neutral) + 1


def test_zoom_makes_the_time_line_longer_and_the_page_no_wider(conversation, visit):
    page = visit(conversation[0])
    width = "document.querySelector('.track').clientWidth"
    before, ticks = page.evaluate(width), page.locator(".ticks span").count()
    page.locator("#in").click()
    page.locator("#in").click()
    assert page.evaluate(width) == pytest.approx(4 * before, abs=2)
    assert page.locator(".ticks span").count() > ticks
    assert overflow(page) <= 0
    page.locator("#fit").click()
    assert page.evaluate(width) == before


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_is_wider_than_its_window(width, conversation, visit, tmp_path):
    assert overflow(visit(conversation[0], width, 844)) <= 0
    labels = [*LABELS[:-1], "a very " * 20 + "long" + "y" * 90]
    hostile = answered(16, texts=HOSTILE, speakers=HOSTILE, labels=labels)
    page = visit(written(hostile, tmp_path / "hostile"), width, 844)
    assert overflow(page) <= 0
    cut = "[...document.querySelectorAll('h1, .chip, .said, .facts')].filter((one) => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"{cut}.map((one) => one.outerHTML.slice(0, 99))") == []


def test_hostile_text_is_inert_and_shown_as_it_is(visit, tmp_path):
    given = answered(16, texts=HOSTILE, speakers=HOSTILE, labels=[*LABELS[:-1], HOSTILE[0]], title=HOSTILE[1])
    page = visit(written(given, tmp_path / "out"))
    assert not page.said
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[5], HOSTILE[7]):
        assert page.locator(".said p[lang]", has_text=text).count() == 2
    page.keyboard.press("j")
    assert page.title() == f"{HOSTILE[1]} · emotions"
    assert page.locator("h1").inner_text() == HOSTILE[1]
    assert page.locator("[onfocus], [onclick], [onerror]").count() == 0


@pytest.mark.parametrize("timed", [True, False])
def test_an_embedded_recording_plays_from_the_page_alone(timed, visit, tmp_path):
    recording = write_sound(tmp_path / "rec.aiff", 70)  # a format that browsers do not play
    columns = {"recording": recording} if timed else {"timed": False, "audio": [str(recording)] * 5}
    path = written(answered(5, **columns), tmp_path / "out", embed_audio=True)
    recording.unlink()
    page = visit(path)
    row(page, 3).click()
    until(page, "document.querySelector('audio').currentTime > 0.1 && !document.querySelector('audio').paused")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(70, abs=0.1)
    assert [url for url in page.asked if not url.startswith("data:")] == [path.as_uri()]
    assert not page.said


def test_clips_play_each_their_own_file(visit, tmp_path):
    clips = [str(write_sound(tmp_path / f"{number}.wav", 1 + number)) for number in range(3)]
    given = answered(4, timed=False, audio=[*clips, str(tmp_path / "gone.wav")], status={3: "missing"})
    page = visit(written(given, tmp_path / "out"))
    for number in (1, 3):
        row(page, number).click()
        until(page, f"Math.abs(document.querySelector('audio').duration - {number}) < 0.01")
        until(page, "document.querySelector('audio').ended")
    assert row(page, 4).locator("button").count() == 0
    assert page.locator(".timeline").count() == 0


def test_what_cannot_be_played_is_said(visit, tmp_path):
    given = answered(3, recording=write_sound(tmp_path / "rec.aiff", 2))
    page = visit(written(given, tmp_path / "out"))
    assert "Browsers do not play files like rec.aiff" in page.locator("main").inner_text()
    assert page.locator("audio, .when button").count() == 0
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.id") == "u1"
    moved = answered(3, recording=tmp_path / "moved.wav")
    page = visit(written(moved, tmp_path / "moved"))
    row(page, 1).click()
    until(page, "document.querySelector('#now').textContent.includes('../moved.wav')")


def test_two_thousand_utterances_open_quickly(visit, tmp_path):
    given = answered(2000, speakers=["Anna", "Bruno", "Carla", "Dieter"], recording=tmp_path / "rec.wav")
    write_sound(given.recording, 5)
    path = written(given, tmp_path / "out")
    assert path.stat().st_size < 3_000_000
    begin = time.perf_counter()
    page = visit(path)
    assert page.locator("html.js").count() == 1
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert time.perf_counter() - begin < 5  # about 1 s on an idle machine
    page.locator(".chip", has_text="joy").click()
    joys = len(given.table.filter(emotion="joy"))
    assert page.locator("#shown").inner_text() == f"{joys} of 2,000 shown"
    page.locator(".chip", has_text="joy").click()
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.id") == "u2000"
    until(page, "document.activeElement.getBoundingClientRect().bottom <= innerHeight")


@pytest.mark.parametrize("n_labels", [2, 500])
def test_any_number_of_labels(n_labels, visit, tmp_path):
    labels = [f"label {number}" for number in range(n_labels)]
    page = visit(written(answered(12, labels=labels), tmp_path / "out"))
    assert not page.said
    assert overflow(page) <= 0
    assert row(page, 1).locator("dt").first.inner_text().startswith("label ")


def test_a_conversation_of_texts_has_no_time_line(visit, tmp_path):
    page = visit(written(answered(5, timed=False, speakers=None), tmp_path / "out"))
    assert page.locator(".timeline, audio").count() == 0
    assert page.locator(".transcript li").count() == 5
    assert not page.said
    assert "There is no sound" in page.locator("main").inner_text()


def test_what_is_uncertain_is_said_in_words(visit, tmp_path):
    for least in (None, 0.9):
        given = answered(20, min_confidence=least)
        page = visit(written(given, tmp_path / "out"))
        below = (given.table["confidence"] < (least or 0.5)).sum()
        assert page.locator(".transcript .tag", has_text="uncertain").count() == below
        assert page.locator(".marks .unsure").count() == below
        page.locator("summary").click()
        assert f"below {least or 0.5:.0%}" in page.locator("main").inner_text()


def test_a_model_of_made_up_speech_is_warned_of(visit, tmp_path):
    page = visit(written(answered(3), tmp_path / "out"))
    assert "Synthetic speech" in page.locator("[role=note]").inner_text()
    real = answered(3)
    del real.model["synthetic"]
    assert visit(written(real, tmp_path / "out")).locator("[role=note]").count() == 0
