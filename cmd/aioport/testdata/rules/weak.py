import weakref
from weakref import WeakSet, WeakKeyDictionary as Weak


class Positives:
    everyone = weakref.WeakSet()  # want: weak

    def __init__(self):
        self.sessions = WeakSet()  # want: weak
        self.owners = Weak()  # want: weak
        self.names = weakref.WeakValueDictionary()  # want: weak
        self.more = weakref.WeakKeyDictionary({})  # want: weak


class Negatives:
    def __init__(self, parent, WeakList):
        self.parent = weakref.ref(parent)  # no: weak
        self.proxy = weakref.proxy(parent)  # no: weak
        self.items = set()  # no: weak
        self.table = dict()  # no: weak
        self.other = WeakList()  # no: weak
