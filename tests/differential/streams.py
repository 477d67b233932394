"""Random opcode streams: of a grammar, so that most run well past several calls,
and mutations of those and of real pickles."""

import struct
import zipfile

from recorder import EXTENSIONS

MODULES = ["os", "m", "m.sub", "k", "k.types", "p", "p.q", "copy_reg",
           "__builtin__", "builtins", "itertools", "urllib2", "StringIO",
           "collections", "mö", "a\nb", "exceptions", "UserDict"]
NAMES = ["system", "C", "D", "make", "A.b.c", "reduce", "izip", "unicode",
         "imap", "StringIO", "IOError", "StandardError", "urlopen", "é", "x\ny",
         "_reconstructor", "f" * 300, "long", "UserDict"]
ATTRIBUTES = ["__setstate__", "append", "extend", "add", "__new__", "x", "y",
              "__dict__", "__class__", "__getinitargs__", "__call__", "é"]
TEXTS = ATTRIBUTES + ["id", "", "os", "system", "\\", "\\u0041", "it's", "m"]
OPCODES = bytes(b"(.012FNIJKLMPQRSTUVXabc}dehgiljop]qrstu)BCG\x80\x81\x82\x83\x84"
                b"\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93"
                b"\x94\x95\x96\x97\x98")
NO_OPERAND = b"(012NQRabdelost})]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"
INTS = [b"0", b"1", b"00", b"01", b"-5", b"+7", b" 12", b"12 ", b"010", b"0x1f",
        b"0b11", b"0o17", b"1_000", b"1__0", b"", b"x", b"9" * 30, b"5\0junk",
        b"\0", b"0_1", b"-", b"0x", b"08", b"00000", b"1L", b"-0", b"0x_1",
        b"2147483648", b"9223372036854775808", b"-0x10"]
FLOATS = [b"1.5", b"-0.0", b"1e10", b"nan", b"inf", b"-Infinity", b" 1.0",
          b"1.0 ", b"1_0.5", b"1e999", b"1e", b".5", b"5.", b".", b"", b"0x1p3",
          b"1.5\0x", b"infin", b"1e-999", b"--1", b"1e+5"]
INDICES = [b"0", b"1", b"2", b"3", b"7", b"300", b"70000", b" 1", b"1 ", b"+2",
           b"1_0", b"-1", b"x", b"", b"4294967295", b"4294967296", b"0x1",
           b"99999999999999999999999", b"1\0z", b"0005"]


def line(text):
    return text + b"\n"


class StreamMaker:
    """Makes streams from a random.Random and a list of real pickles."""

    def __init__(self, rng, samples):
        self.rng = rng
        self.samples = samples
        self.last = b".."

    # ---- Values: each returns the bytes of opcodes that push one value.

    def pick(self, *choices):
        return choices[int(self.rng.random() * len(choices))]

    def one_of(self, items):
        return items[int(self.rng.random() * len(items))]

    def text(self, text=None):
        if text is None:
            text = self.one_of(TEXTS)
        raw = text.encode("utf-8", "surrogatepass")
        form = int(self.rng.random() * 9)
        if form < 3 and len(raw) < 256:
            return b"\x8c" + bytes([len(raw)]) + raw
        if form == 3:
            return b"\x8d" + struct.pack("<Q", len(raw)) + raw
        if form == 4 and "\n" not in text and "\\" not in text:
            escaped = "".join(
                c if ord(c) < 128 and self.rng.random() < 0.9
                else "\\u%04x" % ord(c) for c in text)
            return line(b"V" + escaped.encode("latin-1"))
        if text.isascii():
            if form == 5 and len(raw) < 256:
                return b"U" + bytes([len(raw)]) + raw
            if form == 6:
                return b"T" + struct.pack("<I", len(raw)) + raw
            if form == 7:
                quoted = repr(text).encode()
                if self.rng.random() < 0.3 and text:
                    quoted = b"'" + b"".join(
                        self.pick(b"\\x%02x", b"\\%03o") % ord(c)
                        for c in text) + b"'"
                return line(b"S" + quoted)
        return b"X" + struct.pack("<I", len(raw)) + raw

    def odd_text(self):
        return self.pick(
            line(b"V" + self.pick(b"\\u00e9\\U0001f600", b"\\u12", b"a\\",
                                  b"\\\\u0041", b"\\U00110000", b"\xe9\\ud800",
                                  b"\\x41", b"")),
            line(b"S" + self.pick(b"'a\\x4'", b"'\\'", b" 'a'", b"'a' ", b'"a"',
                                  b"'a\"", b"'", b"'\\q\\n\\101\\0'", b"'\xe9'",
                                  b"", b"'a\\\\'", b"'a\\'b'")),
            b"\x8c\x02\xff\xfe", b"U\x01\xe9", b"X\x03\0\0\0\xed\xa0\x80",
            b"T\xff\xff\xff\xff")

    def plain(self):
        rng = self.rng
        kind = int(rng.random() * 16)
        if kind == 0:
            return b"N"
        if kind == 1:
            return self.pick(b"\x88", b"\x89")
        if kind < 5:
            return b"K" + bytes([int(rng.random() * 5)])
        if kind == 5:
            return b"M" + rng.randbytes(2)
        if kind == 6:
            return b"J" + struct.pack("<i", self.pick(-1, 0, 1, 70000))
        if kind == 7:
            return line(b"I" + (self.pick(b"5", b"01", b"00") if rng.random() < .97
                                else self.one_of(INTS)))
        if kind == 8:
            return line(b"L" + (self.pick(b"5L", b"7") if rng.random() < .97
                                else self.one_of(INTS)))
        if kind == 9:
            size = self.pick(0, 1, 2, 8, 9, 20)
            return b"\x8a" + bytes([size]) + rng.randbytes(size)
        if kind == 10:
            return line(b"F" + (b"2.5" if rng.random() < .97
                                else self.one_of(FLOATS)))
        if kind == 11:
            return b"G" + rng.randbytes(8)
        if kind == 12:
            data = rng.randbytes(int(rng.random() * 6))
            return self.pick(
                b"C" + bytes([len(data)]) + data,
                b"B" + struct.pack("<I", len(data)) + data,
                b"\x8e" + struct.pack("<Q", len(data)) + data,
                b"\x96" + struct.pack("<Q", len(data)) + data)
        if kind == 13:
            return self.pick(b")", b"]", b"}", b"\x8f")
        if kind == 14 and rng.random() < .04:
            return self.odd_text()
        return self.text()

    def name(self):
        odd = self.rng.random()
        return ("" if odd < 0.003 else self.one_of(MODULES),
                "" if odd > 0.997 else self.one_of(NAMES))

    def imported(self):
        module, name = self.name()
        form = self.rng.random()
        if form < 0.5:
            return self.text(module) + self.text(name) + b"\x93"
        if form < 0.85 and "\n" not in module + name:
            return b"c" + line(module.encode()) + line(name.encode())
        if form < 0.93:
            code = self.one_of(list(EXTENSIONS))
            if self.rng.random() < 0.02:
                code = self.pick(0, 2, 299)
            if code < 256 and self.rng.random() < 0.6:
                return b"\x82" + bytes([code])
            if code < 65536 and self.rng.random() < 0.6:
                return b"\x83" + struct.pack("<H", code)
            return b"\x84" + struct.pack("<I", code)
        return self.pick(b"Pa1\n", b"P\n", b"K\x05Q", self.text() + b"Q", b"\x97")

    def recalled(self, callable_only=False):
        known = self.callables if callable_only else self.memo
        if not known:
            return self.imported()
        index = self.one_of(list(known))
        if index < 256 and self.rng.random() < 0.7:
            return b"h" + bytes([index])
        if index < 2**32 and self.rng.random() < 0.6:
            return b"j" + struct.pack("<I", index)
        return line(b"g%d" % index)

    def remember(self, is_callable=False):
        """Bytes that put the top of the stack into the memo."""
        rng = self.rng
        form = rng.random()
        if form < 0.5:
            index = len(self.memo)
        elif form < 0.98:
            index = self.pick(0, 1, 2, 3, 4, 5, 200)
        elif form < 0.998:
            index = self.pick(256, 3000)
        else:
            index = self.pick(2**31, 2**32 - 1, 2**32, 10**30)
        made = None
        if form < 0.5:
            made = b"\x94"
        elif index < 256 and rng.random() < 0.7:
            made = b"q" + bytes([index])
        elif index < 2**32 and rng.random() < 0.6:
            made = b"r" + struct.pack("<I", index)
        else:
            made = line(b"p%d" % index)
        self.memo[index] = True
        if is_callable:
            self.callables[index] = True
        else:
            self.callables.pop(index, None)
        return made

    def value(self, depth):
        rng = self.rng.random()
        is_callable = False
        if rng < 0.45 or depth <= 0:
            made = self.plain()
        elif rng < 0.62:
            made = self.imported()
            is_callable = True
        elif rng < 0.72:
            made = self.recalled()
        elif rng < 0.84:
            made = self.called(depth - 1)
            is_callable = True
        elif rng < 0.90:
            made = self.tuple(depth - 1)
        elif rng < 0.94:
            made = self.dictionary(depth - 1)
        elif rng < 0.97:
            made = b"(" + self.values(depth - 1) + self.pick(b"l", b"t")
        else:
            made = self.hashed(depth - 1)
        if self.rng.random() < 0.15:
            made += self.remember(is_callable)
        return made

    def hashed(self, depth):
        """A frozenset, set or dict; seldom of what cannot be hashed."""
        odd = self.rng.random() < 0.1
        items = [self.value(depth) if odd else self.text()
                 for _ in range(self.pick(0, 1, 2, 2))]
        if self.rng.random() < 0.3:
            return b"\x8f(" + b"".join(items) + b"\x90"
        if len(items) % 2 and not odd:
            items.append(b"N")
        return b"(" + b"".join(items) + self.pick(b"\x91", b"d")

    def values(self, depth, most=4):
        return b"".join(self.value(depth)
                        for _ in range(int(self.rng.random() * most)))

    def tuple(self, depth):
        size = int(self.rng.random() * 5)
        if size == 0:
            return b")"
        items = [self.value(depth) for _ in range(size)]
        if size < 4 and self.rng.random() < 0.7:
            return b"".join(items) + b"\x84\x85\x86\x87"[size:size + 1]
        return b"(" + b"".join(items) + b"t"

    def arguments(self, depth):
        return (self.tuple(depth) if self.rng.random() < 0.993
                else self.value(depth))

    def callable(self, depth):
        rng = self.rng.random()
        if rng < 0.7:
            return self.imported()
        if rng < 0.85:
            return self.recalled(self.rng.random() < 0.95)
        return self.called(depth - 1) if depth > 0 else self.imported()

    def called(self, depth):
        form = self.rng.random()
        if form < 0.45:
            return self.callable(depth) + self.arguments(depth) + b"R"
        if form < 0.65:
            return self.imported() + self.arguments(depth) + b"\x81"
        if form < 0.75:
            keywords = b"}" if self.rng.random() < .7 else self.dictionary(0)
            return self.imported() + self.arguments(depth) + keywords + b"\x92"
        if form < 0.88:
            return b"(" + self.callable(depth) + self.values(depth) + b"o"
        module, name = self.name()
        if not (module + name).isascii() or "\n" in module + name:
            module, name = "m", "C"
        return (b"(" + self.values(depth) + b"i" + line(module.encode()) +
                line(name.encode()))

    def dictionary(self, depth):
        pairs = b""
        for _ in range(int(self.rng.random() * 4)):
            key = (self.text(self.one_of(ATTRIBUTES))
                   if self.rng.random() < 0.97 else self.value(depth))
            value = (self.callable(depth) if self.rng.random() < 0.6
                     else self.value(depth))
            if self.rng.random() < 0.04:
                value = self.dictionary(0)
            pairs += key + value
        form = self.rng.random()
        if form < 0.3:
            return b"(" + pairs + b"d"
        # The target comes first on the stack, but its bytes were made last: it
        # must not use the memo.
        target = b"}" if form < 0.95 else b"cp\nC\n)R"
        return target + b"(" + pairs + b"u"

    def state(self, depth):
        form = self.rng.random()
        if form < 0.66:
            return self.dictionary(depth)
        if form < 0.86:
            return ((self.pick(b"N", b"}") if form < 0.8
                     else self.dictionary(depth)) +
                    self.dictionary(depth) + b"\x86")
        if form < 0.9:
            return b"N"
        if form < 0.98:
            return b"cp\nC\n)R"
        return self.value(depth)

    # ---- Streams.

    def statement(self):
        """Bytes that leave the stack as it is, or with one value more."""
        rng = self.rng.random()
        depth = 2
        is_callable = True
        if rng < 0.30:
            made = self.called(depth)
        elif rng < 0.55:
            if rng < 0.32:
                made = self.value(depth)
            elif rng < 0.45:
                made = self.called(1)
            elif rng < 0.50:
                made = self.recalled(True)
            else:
                made = self.imported()
            for _ in range(self.pick(1, 1, 2, 2, 3)):
                made += self.change(depth)
        elif rng < 0.62:
            made = self.container(depth)
            is_callable = False
        elif rng < 0.70:
            if rng < 0.64:
                return b"(" + self.values(depth) + b"1"
            if rng < 0.66:
                return self.value(depth) + b"20"
            return b"(0" if rng < 0.67 else self.value(depth) + b"0"
        elif rng < 0.72:
            return b"\x80" + bytes([self.pick(0, 1, 2, 2, 3, 4, 5)])
        else:
            made = self.value(depth)
            is_callable = False
        if self.rng.random() < 0.3:
            made += self.remember(is_callable)
        return made + b"0" if self.rng.random() < 0.6 else made

    def container(self, depth):
        """A list, dict or set that is filled."""
        form = self.rng.random()
        if form < 0.3:
            return (b"](" + self.values(depth) + b"e" + self.value(depth) + b"a" +
                    self.pick(b"", b"K\0K\5s", b"NaK\0K\5s", b"(e",
                              b"J\xff\xff\xff\xffNs"))
        if form < 0.6:
            return (b"}" + self.text() + self.value(depth) + b"s(" + self.text() +
                    self.value(depth) + b"u")
        if form < 0.9:
            return b"\x8f(" + self.text() + self.called(1) + b"\x90"
        return self.pick(b"]", b"}", b"\x8f") + self.change(depth)

    def change(self, depth):
        """Bytes that change the object on the top of the stack."""
        form = self.rng.random()
        if form < 0.5:
            return self.state(depth) + b"b"
        if form < 0.65:
            return self.value(depth - 1) + b"a"
        if form < 0.78:
            return b"(" + self.values(depth - 1) + b"e"
        if form < 0.86:
            return b"(" + self.values(depth - 1) + b"\x90"
        if form < 0.93:
            return (self.pick(b"K\0", self.text()) + self.value(depth - 1) +
                    b"s")
        if form < 0.98:
            return b"(" + self.text() + self.value(depth - 1) + b"u"
        return self.pick(b"\x98", b"2a", b"Q")

    def noise(self):
        rng = self.rng
        form = int(rng.random() * 5)
        if form == 0:
            return line(b"I" + self.one_of(INTS))
        if form == 1:
            return line(self.pick(b"p", b"g") + self.one_of(INDICES))
        if form == 2:
            return self.odd_text()
        if form == 3:
            return bytes([self.one_of(NO_OPERAND)])
        return self.pick(self.value(0), line(b"F" + self.one_of(FLOATS)),
                         b"\x8b\xff\xff\xff\xff", b"(", b"\x80\x06", b"ci\n",
                         b"\x95" + struct.pack("<Q", self.pick(0, 3, 2**63, 2**40)))

    def framed(self, pieces):
        """Puts some of |pieces| into frames; some of those lie."""
        out = []
        at = 0
        while at < len(pieces):
            size = self.pick(1, 2, 3, len(pieces))
            body = b"".join(pieces[at:at + size])
            at += size
            if self.rng.random() < 0.6:
                length = len(body)
                if self.rng.random() < 0.06:
                    length = max(0, length + self.pick(-9, -3, -2, -1, 1, 2, 5,
                                                       40, 10**6))
                body = b"\x95" + struct.pack("<Q", length) + body
            out.append(body)
        return b"".join(out)

    def generated(self):
        rng = self.rng
        self.memo = {}
        self.callables = {}
        pieces = [self.statement() for _ in range(1 + int(rng.random() * 12))]
        if rng.random() < 0.15:
            for _ in range(self.pick(1, 1, 2)):
                pieces.insert(int(rng.random() * len(pieces)), self.noise())
        pieces.append(self.value(1) + b"." if rng.random() < 0.3
                      else self.pick(b"N.", b"N.", b"N.", b"N.", b"."))
        head = b""
        if rng.random() < 0.8:
            head = b"\x80" + bytes([self.pick(0, 1, 2, 2, 3, 4, 4, 5)])
        made = head + (self.framed(pieces) if rng.random() < 0.25
                       else b"".join(pieces))
        if rng.random() < 0.05:
            made += self.pick(b"\0junk", b"cos\nsystem\n.", self.last)
        if rng.random() < 0.02:
            made = made[:-1].rstrip(b".")  # Ends without STOP.
        return made

    def mutated(self, data):
        rng = self.rng
        data = bytearray(data)
        for _ in range(self.pick(1, 1, 1, 2, 3)):
            size = len(data)
            if size == 0:
                break
            at = int(rng.random() * size)
            form = int(rng.random() * 9)
            if form == 0:
                data[at] ^= 1 << int(rng.random() * 8)
            elif form < 3:
                data[at] = self.one_of(OPCODES)
            elif form == 3:
                data[at] = int(rng.random() * 256)
            elif form == 4:
                del data[at:at + 1 + int(rng.random() * 8)]
            elif form == 5:
                piece = data[at:at + 1 + int(rng.random() * 16)]
                data[at:at] = piece
            elif form == 6:
                start = int(rng.random() * len(self.last))
                data[at:at] = self.last[start:start + int(rng.random() * 40)]
            elif form == 7:
                data[at:at] = self.noise()
            else:
                del data[at:]
        return bytes(data)

    def stream(self):
        form = self.rng.random()
        if form < 0.68 or not self.samples:
            made = self.generated()
        elif form < 0.85:
            made = self.mutated(self.generated())
        else:
            self.memo = {}
            self.callables = {}
            made = self.mutated(self.one_of(self.samples))
        self.last = made or b".."
        encoding = self.rng.random()
        return made, ("ASCII" if encoding < 0.8 else
                      "latin-1" if encoding < 0.97 else "bytes")


def real_pickles(folder, most_bytes=3000):
    """Small pickles of the sample files, also those within zip files. Not those
    that keep an unpickler busy for ever, as their names say."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.stat().st_size > 1 << 20:
            continue
        if "bomb" in path.name:
            continue
        data = path.read_bytes()
        if path.suffix in (".pkl", ".joblib") and len(data) <= most_bytes:
            found.append(data)
        elif data[:4] == b"PK\3\4":
            try:
                with zipfile.ZipFile(path) as archive:
                    for name in archive.namelist():
                        if name.endswith(".pkl"):
                            found.append(archive.read(name)[:most_bytes])
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError,
                    OSError, ValueError):
                continue  # Hostile samples.
    return found
