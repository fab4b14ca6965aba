"""Who may start: the promises of the plan for every situation."""

from collections.abc import Iterable
from copy import deepcopy

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.scheduler.plan import Capacity, Load, Plan, Ready, Waiting, plan

calm = examples()
NOW = 1000.0
"""Monotonic seconds."""
ENDPOINTS = ["e1", "e2", "e3", "unknown"]
KNOWN = ENDPOINTS[:3]

small = st.integers(0, 4)
capacities = st.dictionaries(st.sampled_from(KNOWN), st.builds(Capacity, small, small))
# An endpoint whose limits were lowered runs more than it may now.
loads = st.dictionaries(st.sampled_from(ENDPOINTS), st.builds(Load, st.integers(0, 6), st.integers(0, 6)))
deadlines = st.one_of(st.none(), st.integers(-2, 2).map(lambda seconds: NOW + seconds))

priorities = st.sampled_from([1, 5, 9])


@st.composite
def waiting_lists(draw: st.DrawFn) -> list[Waiting]:
    """Sessions that wait, in their order."""
    rows = draw(st.lists(st.tuples(st.sampled_from(ENDPOINTS), deadlines, priorities), max_size=12))
    return [Waiting(f"w{n}", *row) for n, row in enumerate(rows)]


@st.composite
def ready_lists(draw: st.DrawFn) -> list[Ready]:
    """Sessions with a statement to run, in their order."""
    rows = draw(st.lists(st.tuples(st.sampled_from(ENDPOINTS), priorities), max_size=12))
    return [Ready(f"r{n}", *row) for n, row in enumerate(rows)]


class Situation:
    """What there is, and the plan for it."""

    def __init__(
        self, capacity: dict[str, Capacity], load: dict[str, Load], waiting: list[Waiting], ready: list[Ready]
    ) -> None:
        self.capacity = capacity
        self.load = load
        self.waiting = waiting
        self.ready = ready
        self.plan = plan(NOW, capacity, load, waiting, ready)

    def __repr__(self) -> str:
        return f"{self.capacity} {self.load} {self.waiting} {self.ready} -> {self.plan}"

    def at(self, endpoint: str) -> tuple[Capacity, Load]:
        """What the endpoint may run and what it runs."""
        return self.capacity.get(endpoint, Capacity(0, 0)), self.load.get(endpoint, Load())

    def waiting_at(self, endpoint: str) -> list[str]:
        """Those that wait there and may still wait, whom to serve first at the beginning."""
        return in_turn(w for w in self.waiting if w.endpoint_id == endpoint and not expired(w))

    def ready_at(self, endpoint: str) -> list[str]:
        """Those that have something to run there, whom to serve first at the beginning."""
        return in_turn(r for r in self.ready if r.endpoint_id == endpoint)


def in_turn(those: Iterable[Waiting | Ready]) -> list[str]:
    """The highest priority first, and of one priority the first one first."""
    return [one.session_id for one in sorted(those, key=lambda one: 10 - one.priority)]


situations = st.builds(Situation, capacities, loads, waiting_lists(), ready_lists())


def expired(waiting: Waiting) -> bool:
    """Whether its time to wait is over."""
    return waiting.deadline is not None and waiting.deadline <= NOW


@calm
@given(situations)
def test_never_more_than_the_capacity(s: Situation) -> None:
    """What is started fits beside what runs; an endpoint that is over its limits starts nothing."""
    for endpoint in ENDPOINTS:
        room, at = s.at(endpoint)
        opened = [x for x in s.waiting_at(endpoint) if x in s.plan.open]
        started = [x for x in s.ready_at(endpoint) if x in s.plan.start]
        assert len(opened) <= max(0, room.sessions - at.sessions)
        assert len(started) <= max(0, room.statements - at.statements)


@calm
@given(situations)
def test_no_room_is_left_unused(s: Situation) -> None:
    """Somebody is left waiting only when there is no room for him."""
    for endpoint in ENDPOINTS:
        room, at = s.at(endpoint)
        there, lanes = s.waiting_at(endpoint), s.ready_at(endpoint)
        opened = sum(x in s.plan.open for x in there)
        started = sum(x in s.plan.start for x in lanes)
        assert opened == min(len(there), max(0, room.sessions - at.sessions))
        assert started == min(len(lanes), max(0, room.statements - at.statements))


@calm
@given(situations)
def test_the_highest_priority_first_and_then_who_came_first(s: Situation) -> None:
    """On each endpoint slots go by priority, and within one in the order they came."""
    for endpoint in ENDPOINTS:
        there, lanes = s.waiting_at(endpoint), s.ready_at(endpoint)
        opened = [x for x in s.plan.open if x in there]
        started = [x for x in s.plan.start if x in lanes]
        assert opened == there[: len(opened)]
        assert started == lanes[: len(started)]


@calm
@given(situations)
def test_the_expired_are_given_up(s: Situation) -> None:
    """A session is given up exactly when its deadline has come, even if there were room."""
    assert list(s.plan.give_up) == [w.session_id for w in s.waiting if expired(w)]


@calm
@given(situations)
def test_everybody_has_one_fate(s: Situation) -> None:
    """Each waiting session is opened, left waiting or given up, once; nobody is invented."""
    fates = [*s.plan.open, *s.plan.wait, *s.plan.give_up]
    assert sorted(fates) == sorted(w.session_id for w in s.waiting)
    assert len(set(s.plan.start)) == len(s.plan.start)
    assert set(s.plan.start) <= {r.session_id for r in s.ready}


@calm
@given(situations)
def test_an_unknown_endpoint_has_no_room(s: Situation) -> None:
    """Where no capacity is known nothing is opened or started."""
    for endpoint in set(ENDPOINTS) - set(s.capacity):
        assert not set(s.waiting_at(endpoint)) & set(s.plan.open)
        assert not set(s.ready_at(endpoint)) & set(s.plan.start)


@calm
@given(situations, st.sampled_from(ENDPOINTS))
def test_endpoints_do_not_know_each_other(s: Situation, endpoint: str) -> None:
    """What is decided for an endpoint is what would be decided if it were the only one."""
    alone = plan(
        NOW,
        s.capacity,
        s.load,
        [w for w in s.waiting if w.endpoint_id == endpoint],
        [r for r in s.ready if r.endpoint_id == endpoint],
    )
    ours = {w.session_id for w in s.waiting if w.endpoint_id == endpoint}
    lanes = set(s.ready_at(endpoint))
    assert alone == Plan(
        tuple(x for x in s.plan.open if x in ours),
        tuple(x for x in s.plan.wait if x in ours),
        tuple(x for x in s.plan.give_up if x in ours),
        tuple(x for x in s.plan.start if x in lanes),
    )


@calm
@given(situations)
def test_the_plan_carried_out_leaves_nothing_to_do(s: Situation) -> None:
    """After the plan is carried out a second look at the same moment opens and starts nothing."""
    load = {}
    for endpoint in ENDPOINTS:
        at = s.at(endpoint)[1]
        opened = sum(x in s.plan.open for x in s.waiting_at(endpoint))
        started = sum(x in s.plan.start for x in s.ready_at(endpoint))
        load[endpoint] = Load(at.sessions + opened, at.statements + started)
    waiting = [w for w in s.waiting if w.session_id in s.plan.wait]
    ready = [r for r in s.ready if r.session_id not in s.plan.start]
    assert plan(NOW, s.capacity, load, waiting, ready) == Plan(wait=s.plan.wait)


@calm
@given(situations)
@example(Situation({}, {}, [], []))
def test_planning_changes_nothing(s: Situation) -> None:
    """The same situation gives the same plan."""
    assert plan(NOW, s.capacity, s.load, s.waiting, s.ready) == s.plan


def test_the_moment_of_the_deadline() -> None:
    """A session that may wait until now has waited long enough."""
    room = {"e1": Capacity(1, 1)}
    just = [Waiting("a", "e1", NOW), Waiting("b", "e1", NOW + 1e-6)]
    assert plan(NOW, room, {}, just, []) == Plan(open=("b",), give_up=("a",))


def test_priority_goes_before_arrival() -> None:
    """A free slot goes to the highest priority, whoever came first; between equals to who came first."""
    room = {"e1": Capacity(1, 2)}
    waiting = [Waiting("a", "e1"), Waiting("b", "e1", priority=9), Waiting("c", "e1", priority=9)]
    ready = [Ready("d", "e1", 1), Ready("e", "e1"), Ready("f", "e1", 9)]
    made = plan(NOW, room, {}, waiting, ready)
    assert made == Plan(open=("b",), wait=("c", "a"), start=("f", "e"))


# -- over time ---------------------------------------------------------------------------------


class Endpoint:
    """An endpoint that lives: sessions come, open, run statements, end; every plan is carried out."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.waiting: list[Waiting] = []
        self.open: list[str] = []
        self.ready: list[str] = []
        self.running: list[str] = []
        self.opened: list[str] = []
        self.given_up: list[str] = []
        self.come = 0

    def arrive(self, patience: int | None, now: int) -> None:
        """A session comes and waits, at most so many steps."""
        self.come += 1
        deadline = None if patience is None else NOW + now + patience
        self.waiting.append(Waiting(f"s{self.come}", "e1", deadline))

    def step(self, now: int) -> Plan:
        """Carry out one plan."""
        load = Load(len(self.open), len(self.running))
        ready = [Ready(session, "e1") for session in self.ready]
        made = plan(NOW + now, {"e1": self.capacity}, {"e1": load}, self.waiting, ready)
        self.open += made.open
        self.opened += made.open
        self.given_up += made.give_up
        self.waiting = [one for one in self.waiting if one.session_id in made.wait]
        self.running += made.start
        self.ready = [one for one in self.ready if one not in made.start]
        return made


lives = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.integers(0, 12), st.booleans(), st.integers(0, 5), st.integers(0, 5)),
    max_size=40,
)


@calm
@given(st.builds(Capacity, st.integers(1, 3), st.integers(1, 3)), lives)
def test_nobody_starves(capacity: Capacity, life: list[tuple[int, int | None, bool, int, int]]) -> None:
    """Over any life of an endpoint slots go to those who came first, deadlines are kept to the step, limits always."""
    at = Endpoint(capacity)
    for now, (arrivals, patience, finish, which, asks) in enumerate(life):
        for _ in range(arrivals):
            at.arrive(patience, now)
        if finish and at.running:
            at.running.pop(which % len(at.running))
        elif finish and at.open:
            gone = at.open.pop(which % len(at.open))
            at.ready = [session for session in at.ready if session != gone]
            at.running = [session for session in at.running if session != gone]
        idle = [one for one in at.open if one not in at.running and one not in at.ready]
        at.ready += idle[:asks]
        due = [one.session_id for one in at.waiting if one.deadline and one.deadline <= NOW + now]
        first_ready = at.ready[:]
        made = at.step(now)
        assert list(made.give_up) == due
        assert len(at.open) <= capacity.sessions
        assert len(at.running) <= capacity.statements
        assert not at.waiting or len(at.open) == capacity.sessions
        assert not at.ready or len(at.running) == capacity.statements
        assert first_ready[: len(made.start)] == list(made.start)
    numbers = [int(session[1:]) for session in at.opened]
    assert numbers == sorted(numbers)
    # From here every running statement and every session ends, and nobody new comes.
    for rest in range(2 * at.come + 1):
        at.running, at.open, at.ready = [], at.open[1:], []
        at.step(len(life) + rest)
    assert at.waiting == []
    assert sorted([*at.opened, *at.given_up]) == sorted(f"s{n + 1}" for n in range(at.come))


@calm
@given(situations)
def test_the_plan_keeps_its_hands_off(s: Situation) -> None:
    """Planning changes none of what it is given, and takes any kind of sequence."""
    before = deepcopy((s.capacity, s.load, s.waiting, s.ready))
    made = plan(NOW, s.capacity, s.load, tuple(s.waiting), tuple(s.ready))
    assert made == s.plan
    assert (s.capacity, s.load, s.waiting, s.ready) == before


@calm
@given(situations, st.integers(1, 100))
def test_only_the_clock_gives_up(s: Situation, seconds: int) -> None:
    """A later moment gives up the same sessions and more; who was opened and has time left is opened still."""
    later = plan(NOW + seconds, s.capacity, s.load, s.waiting, s.ready)
    assert set(s.plan.give_up) <= set(later.give_up)
    assert set(s.plan.open) <= {*later.open, *later.give_up}
    assert later.start == s.plan.start
