"use strict";
(() => {
  const find = (selector) => document.querySelector(selector);
  const rows = [...document.querySelectorAll(".transcript li")];
  const marks = new Map([...document.querySelectorAll(".marks i")].map((mark) => [`u${mark.dataset.u}`, mark]));
  const audio = find("audio"), now = find("#now"), scroller = find(".scroller"), track = find(".track"), playhead = find(".playhead");
  const urls = JSON.parse(find("#urls")?.textContent ?? "null");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const seconds = Number(track?.dataset.seconds ?? 0);
  let current = null; // the row that was chosen or is heard
  let stop = null; // s, where a stretch that was asked for ends; null: plays on
  let source = urls ? -1 : 0;

  document.documentElement.classList.add("js");
  const stretchOf = (row) => row.dataset.t?.split(",").map(Number) ?? [0, null];
  const timed = rows.filter((row) => row.dataset.t && row.dataset.a).sort((a, b) => stretchOf(a)[0] - stretchOf(b)[0]);
  const starts = timed.map((row) => stretchOf(row)[0]);

  // what is current
  function choose(row, { focus = false, scroll = true } = {}) {
    if (row !== current) {
      for (const part of [current, current && marks.get(current.id)]) part?.classList.remove("current", "playing");
      if (current) current.removeAttribute("tabindex");
      current = row;
      row.classList.add("current");
      row.tabIndex = 0;
      const mark = marks.get(row.id);
      mark?.classList.add("current");
      if (mark && track.clientWidth > scroller.clientWidth) {
        const from = mark.offsetLeft - scroller.scrollLeft;
        if (from < 0 || from + mark.offsetWidth > scroller.clientWidth) scroller.scrollLeft = mark.offsetLeft - scroller.clientWidth / 3;
      }
    }
    if (focus) row.focus({ preventScroll: true });
    if (scroll) row.scrollIntoView({ block: "nearest", behavior: calm.matches ? "instant" : "smooth" });
  }

  function move(step) {
    const seen = rows.filter((row) => !row.hidden);
    if (!seen.length) return;
    const place = seen.indexOf(current);
    const next = current === null || place < 0 ? (step > 0 ? 0 : seen.length - 1) : Math.min(seen.length - 1, Math.max(0, place + step));
    choose(seen[next], { focus: true });
    say(seen[next]);
  }

  function inWords(row) {
    const parts = [row.querySelector("time, .number"), row.querySelector(".who bdi"), row.querySelector("dt"), row.querySelector("dd"), row.querySelector(".tag")];
    return parts.filter(Boolean).map((part) => part.textContent).join(" · ");
  }
  function say(row) {
    if (now) now.textContent = inWords(row);
  }

  // sound
  function play(row) {
    if (!audio || !("a" in row.dataset)) return;
    choose(row);
    const [start, end] = stretchOf(row);
    stop = end;
    say(row);
    const begin = () => {
      audio.currentTime = start;
      audio.play().catch(() => {});
    };
    const wanted = Number(row.dataset.a);
    if (wanted !== source) {
      source = wanted;
      audio.src = urls[wanted];
    }
    if (audio.readyState >= 1) begin();
    else {
      audio.addEventListener("loadedmetadata", begin, { once: true });
      audio.load();
    }
  }
  function toggle(row) {
    if (audio && row === current && !audio.paused) audio.pause();
    else play(row);
  }
  function rowAt(time) {
    let low = 0, high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time) low = middle + 1;
      else high = middle;
    }
    // of those that speak at once, the one that began last
    for (let place = low - 1; place >= Math.max(0, low - 20); place--) if (stretchOf(timed[place])[1] > time) return timed[place];
    return null;
  }
  function follow() {
    if (stop !== null && audio.currentTime >= stop) {
      audio.pause();
      stop = null;
      return;
    }
    if (playhead && (!urls || urls.length === 1) && seconds) {
      playhead.hidden = false;
      playhead.style.left = `${Math.min(100, (100 * audio.currentTime) / seconds)}%`;
    }
    if (stop === null && !urls) {
      const row = rowAt(audio.currentTime);
      if (row && row !== current) {
        choose(row, { scroll: !row.hidden });
        current.classList.add("playing");
        say(row);
      }
    }
  }
  if (audio) {
    const frame = () => {
      follow();
      if (!audio.paused) requestAnimationFrame(frame);
    };
    audio.addEventListener("play", () => {
      current?.classList.add("playing");
      frame();
    });
    audio.addEventListener("timeupdate", () => audio.paused || follow()); // frames rest while the page is out of sight
    audio.addEventListener("pause", () => current?.classList.remove("playing"));
    audio.addEventListener("ended", () => (stop = null));
    audio.addEventListener("seeking", () => {
      // who moves the player's own slider wants to hear on from there
      if (stop !== null && current && Math.abs(audio.currentTime - stretchOf(current)[0]) > 0.01 && (audio.currentTime > stop || audio.currentTime < stretchOf(current)[0])) stop = null;
    });
    audio.addEventListener("error", () => {
      if (audio.getAttribute("src")?.startsWith("data:")) now.textContent = "This browser cannot play the sound.";
      else now.textContent = `The sound cannot be played: keep ${decodeURIComponent(audio.getAttribute("src") ?? "")} where it was beside this page, or embed it with --embed-audio.`;
    });
  }

  // pointer and keys
  find(".transcript").addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (!row || (getSelection().toString() && !event.target.closest("button"))) return;
    if (audio && "a" in row.dataset) toggle(row);
    else choose(row), say(row);
    row.focus({ preventScroll: true });
  });
  find(".transcript").addEventListener("focusin", (event) => {
    const row = event.target.closest("li");
    if (row && row !== current && event.target === row) choose(row, { scroll: false });
  });
  scroller?.addEventListener("click", (event) => {
    const mark = event.target.closest(".marks i");
    const row = mark && document.getElementById(`u${mark.dataset.u}`);
    if (!row) return;
    choose(row);
    say(row);
    play(row);
  });
  find("#previous")?.addEventListener("click", () => move(-1));
  find("#next")?.addEventListener("click", () => move(1));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const onRow = event.target.matches(".transcript li");
    const key = event.key.toLowerCase();
    if (key === "j" || (onRow && key === "arrowdown")) move(1);
    else if (key === "k" || (onRow && key === "arrowup")) move(-1);
    else if (onRow && (key === "enter" || key === " ")) toggle(current);
    else if (key === "escape" && audio) audio.pause();
    else return;
    event.preventDefault();
  });
  if (rows.length) rows[0].tabIndex = 0;

  // what is shown
  const chips = [...document.querySelectorAll(".chip")], speaker = find("#speaker");
  for (const chip of chips) {
    if (chip.classList.contains("rare")) continue;
    chip.disabled = false;
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  speaker?.addEventListener("change", filter);
  function filter() {
    const pressed = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true");
    const classes = pressed.filter((chip) => chip.dataset.e).map((chip) => (chip.dataset.e === "-" ? "none" : `e${chip.dataset.e}`));
    const unsure = pressed.some((chip) => chip.id === "unsure");
    let count = 0;
    for (const row of rows) {
      const seen =
        (!classes.length || classes.some((name) => row.classList.contains(name))) &&
        (!unsure || row.classList.contains("unsure")) &&
        (!speaker?.value || row.dataset.s === speaker.value);
      row.hidden = !seen;
      marks.get(row.id)?.classList.toggle("dim", !seen);
      count += seen;
    }
    find("#shown").textContent = count === rows.length ? "" : `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
  }
  filter();

  // zoom
  if (track) {
    // rows that are scrolled to stay clear of a time line that sticks to the top
    const timeline = find(".timeline");
    new ResizeObserver(() => {
      const above = getComputedStyle(timeline).position === "sticky" ? timeline.offsetHeight : 0;
      document.documentElement.style.setProperty("--above", `${above}px`);
    }).observe(timeline);
    const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];
    const most = Math.max(1, seconds / 5);
    let zoom = 1;
    const clock = (time) => {
      const two = (number) => String(number).padStart(2, "0");
      const hours = Math.floor(time / 3600), minutes = Math.floor(time / 60) % 60;
      return hours ? `${hours}:${two(minutes)}:${two(time % 60)}` : `${minutes}:${two(time % 60)}`;
    };
    const draw = () => {
      const room = (seconds * 64) / track.clientWidth;
      const step = STEPS.find((candidate) => candidate >= room) ?? 86400;
      const count = Math.min(2000, Math.floor((seconds * (1 - 44 / track.clientWidth)) / step)); // the last has room for its time
      find(".ticks").replaceChildren(
        ...Array.from({ length: count + 1 }, (_, place) => {
          const tick = document.createElement("span");
          tick.textContent = clock(place * step);
          tick.style.left = `${(100 * place * step) / seconds}%`;
          return tick;
        }),
      );
    };
    const set = (wanted, at = scroller.clientWidth / 2) => {
      const before = (scroller.scrollLeft + at) / track.clientWidth;
      zoom = Math.min(most, Math.max(1, wanted));
      track.style.setProperty("--zoom", zoom);
      scroller.scrollLeft = before * track.clientWidth - at;
      draw();
    };
    find("#in").addEventListener("click", () => set(zoom * 2));
    find("#out").addEventListener("click", () => set(zoom / 2));
    find("#fit").addEventListener("click", () => set(1));
    scroller.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      set(zoom * Math.exp(-event.deltaY / 300), event.clientX - scroller.getBoundingClientRect().left);
    }, { passive: false });
    addEventListener("resize", draw);
    draw();
  }
})();
