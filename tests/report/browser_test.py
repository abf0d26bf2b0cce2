"""The report's page, opened from the disk in headless Chromium without a network.

HALFSTEP_SCREENSHOTS names a folder that keeps the pictures, to be looked at."""
import html
import html.parser
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

PROGRAMS = pathlib.Path(os.environ.get("HALFSTEP_BIN_DIR", "build/release/bin"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    print("skipped: no Chromium (Debian: chromium)")
    sys.exit(77)
for program in ("convert_to_quant", "sample_model"):
    if not (PROGRAMS / program).exists():
        print(f"skipped: no program {PROGRAMS / program}")
        sys.exit(77)

LIGHT, DARK = "preferredColorScheme=1", "preferredColorScheme=0"
LOADED = "return performance.getEntriesByType('resource').map(entry => entry.name);"
EVIL = "blocks.7.</td></script><script>document.title = 'owned'</script><b title=\"'&lt;"


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"status {done.returncode}: {command}\n{done.stdout}{done.stderr}")


def write_model(path, names):
    """Small F32 matrices, each with an error of its own: the outlier of a row sets its step."""
    rows, columns = 16, 32
    header, data = {}, b""
    for i, name in enumerate(names):
        values = [((7919 * (i + 1) + 31 * k) % 1009 - 504) / 504 for k in range(rows * columns)]
        values[:: columns] = [4.0 + i % 97] * rows
        header[name + ".weight"] = {"dtype": "F32", "shape": [rows, columns], "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Rows(html.parser.HTMLParser):
    """The rows of the table of all layers: a list of data-value for each, and which column is sorted."""

    def __init__(self, dom):
        super().__init__()
        self.rows, self.keys, self.sorted, self.inside = [], [], {}, False
        self.feed(dom)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "table":
            self.inside = attributes.get("id") == "layers"
        if not self.inside:
            return
        if tag == "th":
            self.keys.append(attributes["data-key"])
            if "aria-sort" in attributes:
                self.sorted[attributes["data-key"]] = attributes["aria-sort"]
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append(attributes.get("data-value"))

    def handle_endtag(self, tag):
        if tag == "table":
            self.inside = False

    def column(self, key):
        return [row[self.keys.index(key)] for row in self.rows if row]

    def numbers(self, key):
        return [float(value) for value in self.column(key)]


class Page:
    """What Chromium makes of an address: the document afterwards, and what it said on the console."""

    def __init__(self, address, *options, size=(1280, 800), wait=False):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [CHROMIUM, "--headless", "--disable-gpu", "--no-sandbox", "--hide-scrollbars", "--no-first-run",
                       "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0",
                       f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", *options]
            if wait:
                command.append("--virtual-time-budget=3000")
            done = subprocess.run([*command, address], capture_output=True, text=True, timeout=180)
        self.dom = done.stdout
        self.console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    @classmethod
    def document(cls, address, *options, **more):
        return cls(address, "--dump-dom", *options, **more)

    def answer(self):
        """What a probe wrote into the document."""
        return json.loads(html.unescape(re.search(r'data-probe="([^"]*)"', self.dom)[1]))


def probing(page, script, folder, delay=True):
    """A copy of `page` in which `script`, the body of a function, runs last, after a while, and its result can be read."""
    path = folder / "probing.html"
    probe = "document.body.dataset.probe = JSON.stringify((() => {" + script + "})());"
    if delay:
        probe = "setTimeout(() => {" + probe + "}, 200);"
    path.write_text(page.read_text().replace("</body>", "<script>" + probe + "</script></body>"))
    return path.as_uri()


def corner(picture):
    """The red, green and blue of a PNG's first pixel, which no filter changes."""
    data, at, packed = picture.read_bytes(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return tuple(zlib.decompress(packed)[1:4])


def luminance(color):
    """Relative luminance; source: WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (channel / 255 for channel in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class ReportInABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        model = cls.folder / "sample.safetensors"
        run(PROGRAMS / "sample_model", model)
        cls.sample, cls.figures = cls.reports(model, "--quality-threshold", "41")
        model.unlink()
        many = cls.folder / "many.safetensors"
        names = [f"blocks.{i}.proj" for i in range(2000)]
        names[7] = EVIL
        write_model(many, names)
        cls.many, _ = cls.reports(many, "--preset", "none", "--comfy_quant", "--scaling_mode", "axis",
                                  "--quality-threshold", "100")

    @classmethod
    def reports(cls, model, *options):
        """The page of a conversion, and the figures of its layers as JSON."""
        page, figures = model.with_suffix(".html"), model.with_suffix(".json")
        for report in (page, figures):
            run(PROGRAMS / "convert_to_quant", "--progress", "none", "--force", "-i", model, "-o", cls.folder / "out.safetensors", *options,
                "--report-quality", report)
        (cls.folder / "out.safetensors").unlink()
        return page, json.loads(figures.read_text())

    def probe(self, script, page=None, **more):
        page = Page.document(probing(page or self.sample, script, self.folder), wait=True, **more)
        self.assertEqual(page.console, [])
        return page.answer()

    def test_faults_of_a_page_are_noticed(self):
        broken = self.folder / "broken.html"
        for fault in ("<script>console.error('wrong')</script>", "<script>missing()</script>"):
            broken.write_text("<!DOCTYPE html>" + fault)
            self.assertNotEqual(Page.document(broken.as_uri()).console, [], fault)
        broken.write_text("<!DOCTYPE html><body><img src='https://example.com/x.png'></body>")
        self.assertEqual(self.probe(LOADED, broken), ["https://example.com/x.png"])

    def test_loads_nothing_but_itself(self):
        for page in (self.sample, self.many):
            self.assertEqual(self.probe(LOADED, page), [])

    def test_opens_from_the_disk_and_says_nothing_on_the_console(self):
        page = Page.document(self.sample.as_uri())
        self.assertEqual(page.console, [])
        table = Rows(page.dom)
        self.assertEqual(table.column("name"), [layer["name"] for layer in self.figures["layers"]])
        self.assertEqual(table.sorted, {})
        for shown, layer in zip(table.numbers("sqnr_db"), self.figures["layers"]):
            self.assertAlmostEqual(shown, layer["sqnr_db"], places=5)

    def test_the_address_sorts(self):
        expected = sorted(self.figures["layers"], key=lambda layer: layer["sqnr_db"])
        for address, direction in (("#sort=sqnr", "ascending"), ("#sort=sqnr_db", "ascending"), ("#sort=-sqnr", "descending")):
            page = Page.document(self.sample.as_uri() + address)
            self.assertEqual(page.console, [])
            table = Rows(page.dom)
            names = [layer["name"] for layer in (expected if direction == "ascending" else expected[::-1])]
            self.assertEqual(table.column("name"), names)
            self.assertEqual(table.sorted, {"sqnr_db": direction})

    def test_headers_sort_by_click_and_can_be_reached_by_keyboard(self):
        script = """
            const button = key => document.querySelector('th[data-key=' + key + '] button');
            button('mse').focus();
            const focused = document.activeElement === button('mse');
            button('mse').click();
            return {focused, buttons: document.querySelectorAll('th button').length, heads: document.querySelectorAll('#layers th').length};"""
        page = Page.document(probing(self.sample, script, self.folder), wait=True)
        self.assertEqual(page.console, [])
        answer = page.answer()
        self.assertTrue(answer["focused"])
        self.assertEqual(answer["buttons"], answer["heads"])
        table = Rows(page.dom)
        self.assertEqual(table.sorted, {"mse": "descending"})
        self.assertEqual(table.numbers("mse"), sorted(table.numbers("mse"), reverse=True))

    def test_names_sort_by_their_numbers(self):
        table = Rows(Page.document(self.many.as_uri() + "#sort=name").dom)
        names = [name for name in table.column("name") if name != EVIL]
        self.assertEqual(names, [f"blocks.{i}.proj" for i in range(2000) if i != 7])

    def test_worst_layers_and_failures_are_seen_without_scrolling(self):
        for page in (self.sample, self.many):
            seen = self.probe("""
                const bottom = id => document.getElementById(id).getBoundingClientRect().bottom;
                return {height: innerHeight, worst: bottom('worst'), below: bottom('below')};""", page)
            self.assertLessEqual(seen["height"], 800)
            self.assertLessEqual(seen["worst"], seen["height"])
            self.assertLessEqual(seen["below"], seen["height"])

    def test_a_phone_shows_it_without_scrolling_sideways(self):
        for page in (self.sample, self.many):
            seen = self.probe("return {page: document.documentElement.scrollWidth, window: innerWidth};", page, size=(400, 800))
            self.assertLessEqual(seen["window"], 500)
            self.assertLessEqual(seen["page"], seen["window"])

    def test_two_thousand_layers_stay_quick_and_names_stay_text(self):
        script = """
            const body = document.querySelector('#layers tbody');
            body.getBoundingClientRect();
            const before = performance.now();
            const input = document.querySelector('#filter input');
            input.value = 'BLOCKS.19';
            input.dispatchEvent(new Event('input', {bubbles: true}));
            const shown = [...body.rows].filter(row => !row.hidden).length;
            input.value = '';
            input.dispatchEvent(new Event('input', {bubbles: true}));
            location.hash = 'sort=-sqnr';
            dispatchEvent(new Event('hashchange'));
            body.getBoundingClientRect();
            return {milliseconds: performance.now() - before, shown, rows: body.rows.length, title: document.title,
                    first: body.rows[0].cells[0].textContent, name: document.querySelector('#layer-8 td').textContent};"""
        page = Page.document(probing(self.many, script, self.folder, delay=False))  # by the clock: virtual time stands still in a script
        self.assertEqual(page.console, [])
        seen = page.answer()
        self.assertEqual(seen["rows"], 2000)
        self.assertEqual(seen["shown"], 111)  # 19, 190 to 199, 1900 to 1999
        print("filtered twice, sorted and laid out in", round(seen["milliseconds"]), "ms")
        self.assertGreater(seen["milliseconds"], 0)
        self.assertLess(seen["milliseconds"], 3000)
        self.assertNotIn("owned", seen["title"])
        names = Rows(Page.document(self.many.as_uri()).dom).column("name")
        self.assertIn(EVIL, names)

    def test_it_is_complete_without_scripts(self):
        still = self.folder / "still.html"
        still.write_text(re.sub(r"<script>.*</script>", "", self.sample.read_text(), flags=re.DOTALL))
        page = Page.document(still.as_uri())
        self.assertNotIn("<script", page.dom)
        self.assertEqual(Rows(page.dom).column("name"), [layer["name"] for layer in self.figures["layers"]])
        self.assertRegex(page.dom, r'<label id="filter"[^>]* hidden')

    def test_text_stands_out_in_light_and_dark(self):
        script = """
            const rgb = value => value.match(/[0-9.]+/g).slice(0, 3).map(Number);
            const text = ['body', '.soft', '.bad', 'a', '#layers th button', '.facts small', '.plot text', '.legend'];
            const style = name => getComputedStyle(document.querySelector(name));
            const marks = [...document.querySelectorAll('.plot .m')].map(mark => rgb(getComputedStyle(mark).fill));
            return {page: rgb(style('body').backgroundColor), marks,
                    text: text.map(name => [name, rgb(name === '.plot text' ? style(name).fill : style(name).color)])};"""
        for scheme in (LIGHT, DARK):
            seen = self.probe(script, None) if scheme == LIGHT else Page.document(
                probing(self.sample, script, self.folder), f"--blink-settings={scheme}", wait=True).answer()
            self.assertEqual(luminance(seen["page"]) > 0.5, scheme == LIGHT)
            for name, color in seen["text"]:
                self.assertGreaterEqual(contrast(color, seen["page"]), 4.5, f"{scheme} {name}")
            for color in seen["marks"]:
                self.assertGreaterEqual(contrast(color, seen["page"]), 3, f"{scheme} marks")

    def test_pictures_in_light_and_dark(self):
        keep = os.environ.get("HALFSTEP_SCREENSHOTS")
        folder = pathlib.Path(keep) if keep else self.folder
        folder.mkdir(exist_ok=True)
        for scheme, bright in ((LIGHT, True), (DARK, False)):
            for width, height in ((1280, 800), (400, 1200)):
                picture = folder / f"report_{'light' if bright else 'dark'}_{width}.png"
                page = Page(self.sample.as_uri(), f"--screenshot={picture}", f"--blink-settings={scheme}", size=(width, height))
                self.assertEqual(page.console, [])
                self.assertEqual(luminance(corner(picture)) > 0.5, bright)


if __name__ == "__main__":
    unittest.main(verbosity=2)
