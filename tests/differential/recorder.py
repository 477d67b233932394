"""What stands in for every import of a pickle: it does nothing and notes it all.

Nothing is ever imported. find_class returns a class made by a metaclass, so that
NEWOBJ accepts it as a type; it can be called, takes attributes, items and state,
and writes down each call.
"""

import _compat_pickle
import copyreg
import io
import pickle
import sys
import types

# Extension codes that are registered for the run. Names only.
EXTENSIONS = {1: ("ext", "one"), 7: ("ext", "seven"), 300: ("ext.sub", "Mid"),
              70000: ("copy_reg", "far")}


class Log:
    """Imports and calls of one run, in their order."""

    def __init__(self):
        self.events = []
        self.calls = 0
        self.persistent = 0
        self.touched = []

    def clear(self):
        self.events = []
        self.calls = 0
        self.persistent = 0
        for cls in self.touched:
            Meta.planted.pop(cls, None)
        self.touched = []

    def call(self, callee, size):
        number = self.calls
        self.calls = number + 1
        self.events.append(("C", type.__getattribute__(callee, "label")
                            if isinstance(callee, Meta)
                            else object.__getattribute__(callee, "label"), size))
        return "R%d" % number


LOG = Log()


class Meta(type):
    """Class of the classes that find_class returns."""

    planted = {}

    def __call__(cls, *args, **keywords):
        return made_by(cls, len(args))

    def __getattribute__(cls, name):
        planted = Meta.planted
        if name == "__dict__":
            LOG.touched.append(cls)
            return planted.setdefault(cls, {})
        if planted and cls in planted and name != "__class__":
            attributes = planted[cls]
            if name in attributes:
                return attributes[name]
        return type.__getattribute__(cls, name)

    def __setattr__(cls, name, value):
        LOG.touched.append(cls)
        if name == "__dict__" and isinstance(value, dict):
            Meta.planted[cls] = dict(value)
        else:
            Meta.planted.setdefault(cls, {})[name] = value

    def __setitem__(cls, key, value):
        pass


def made_by(callee, size):
    """A new object, after the call of |callee| was written down."""
    label = LOG.call(callee, size)
    if isinstance(callee, Meta) and type.__getattribute__(callee, "makes_types"):
        return make_class(label, RecList, False)
    base = RecList
    if isinstance(callee, Meta):
        base = type.__getattribute__(callee, "makes")
    made = dict.__new__(base)
    object.__setattr__(made, "label", label)
    return made


class Rec(dict, metaclass=Meta):
    """Object that a call returned. A dict, so that it can be a state."""

    __slots__ = ("label", "__dict__")
    makes_types = False

    def __new__(cls, *args, **keywords):
        return made_by(cls, len(args))

    def __call__(self, *args, **keywords):
        return made_by(self, len(args))

    def __setitem__(self, key, value):
        if type(key) is str:
            dict.__setitem__(self, key, value)

    def __setattr__(self, name, value):
        if name == "__dict__" and isinstance(value, dict):
            object.__setattr__(self, "__dict__", value)
        else:
            self.__dict__[name] = value

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    def append(self, *items):
        pass

    def add(self, *items):
        pass


class RecList(Rec):
    """The same with an extend method."""

    __slots__ = ()

    def extend(self, *items):
        pass


type.__setattr__(Rec, "makes", Rec)
type.__setattr__(RecList, "makes", RecList)


def make_class(label, base, makes_types):
    made = Meta("Rec", (base,), {"__slots__": ()})
    type.__setattr__(made, "label", label)
    type.__setattr__(made, "makes", base)
    type.__setattr__(made, "makes_types", makes_types)
    return made


CLASSES = {}


def class_for(module, name, fixed):
    """The recorder of a name; the same for the same name. |fixed| is the name of
    Python 3: one of Python 2 means another thing under a later protocol."""
    key = (module, name, fixed)
    made = CLASSES.get(key)
    if made is None:
        if len(CLASSES) > 3000:
            CLASSES.clear()
        label = "G%s.%s" % key[:2] if name else "G" + module
        made = make_class(label, Rec if module[:1] == "p" else RecList,
                          module[:1] == "k")
        CLASSES[key] = made
    return made


def python_three_name(module, name):
    fixed = (module, name)
    if fixed in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[fixed]
    if module in _compat_pickle.IMPORT_MAPPING:
        return (_compat_pickle.IMPORT_MAPPING[module], name)
    return fixed


# The C unpickler does not say which protocol it is in. It translates names
# below protocol 3: a module of no file, under two names, tells.
PROBE = "scanengine_probe"
PROBED = types.ModuleType(PROBE)
PROBED.old = True
PROBED.new = False
sys.modules[PROBE] = PROBED
_compat_pickle.NAME_MAPPING[(PROBE, "new")] = (PROBE, "old")


def find_class(self, module, name):
    """Imports nothing."""
    fixed = python_three_name(module, name)
    if fixed != (module, name) and not super(CUnpickler, self).find_class(
            PROBE, "new"):
        fixed = (module, name)
    LOG.events.append(("I", module, name, fixed))
    return class_for(module, name, fixed)


def persistent_load(self, pid):
    # As torch's loader of old files does.
    if type(pid) is tuple and len(pid) > 1 and pid[0] == "module" and (
            isinstance(pid[1], Meta)):
        return pid[1]
    LOG.persistent += 1
    return make_class("P", RecList, False)


def buffers():
    while True:
        yield make_class("B", RecList, False)


class CUnpickler(pickle.Unpickler):
    find_class = find_class
    persistent_load = persistent_load


class PythonUnpickler(pickle._Unpickler):
    def find_class(self, module, name):
        fixed = (module, name)
        if self.proto < 3:
            fixed = python_three_name(module, name)
        LOG.events.append(("I", module, name, fixed))
        return class_for(module, name, fixed)

    persistent_load = persistent_load


class PeekingFile:
    """A file that can look ahead over all of itself, so that the C unpickler
    reads it as it reads bytes."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.read = self.file.read
        self.readline = self.file.readline

    def peek(self, size):
        return self.file.getbuffer()[self.file.tell():].tobytes()


def register_extensions():
    for code, (module, name) in EXTENSIONS.items():
        copyreg.add_extension(module, name, code)


def run(data, encoding, reader):
    """Unpickles |data| with "bytes", "file" (both C) or "python"; returns the
    events, the exception or None, and for Python where it stopped. Its imports
    have the names of Python 3, too."""
    LOG.clear()
    copyreg._extension_cache.clear()
    end = None
    offset = None
    file = PeekingFile(data) if reader == "bytes" else io.BytesIO(data)
    unpickler = (PythonUnpickler if reader == "python" else CUnpickler)(
        file, fix_imports=True, encoding=encoding, buffers=buffers())
    try:
        unpickler.load()
    except BaseException as error:  # Whatever a stream brings about.
        if isinstance(error, KeyboardInterrupt):
            raise
        end = error
    if reader == "python" and end is None:
        offset = file.tell()
        frame = unpickler._unframer.current_frame
        if frame is not None:
            offset -= len(frame.getvalue()) - frame.tell()
    return LOG.events, end, offset
