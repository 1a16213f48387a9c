"""The session's promises, without a socket, a clock or a thread."""
import random

import pytest
from conftest import HERE  # Puts the package into the path.

from ganger import _calls, _codec, errors
from ganger._codec import BATCH, CODE, RESET, WELCOME
from ganger._session import DURABILITY, OPEN, PAUSED, Answer, News, Session
from ganger.types import Submission

assert HERE
ID = bytes(range(16))
LIMITS = {1: 1, 2: 77, 4: 10000, 5: 30000, 7: 1 << 20, 8: 1 << 19, 11: 1000, 12: 0, 13: 1}


class Stage:
    """A session and the broker that the test plays."""

    def __init__(self):
        self.now, self.wall = 1000, 0
        self.session = Session(rng=random.Random(7))
        self.session.link_up(self.now)
        self.sequence = 0
        self.acked = 0

    def sent(self):
        """The next message: its commands by name."""
        frames = self.session.next_message(self.now, self.wall)
        if frames is None:
            return None
        header = _codec.read_header(frames[0])
        self.acked, self.sent_header = header.acked, header
        return [(_codec.NAME[c.code], c.request, c.record)
                for c in _codec.read(frames[0], *frames[1:])]

    def say(self, kind, *commands, number=None):
        self.sequence += 1
        packed = [_codec.pack_command(CODE[name], request, record)
                  for name, request, record in commands]
        frame = _codec.write(kind, number or self.session.number, self.sequence,
                             self.session.sent_sequence, packed)
        assert self.session.receive([frame], self.now, self.wall)
        return [one for one in self.session.answers(self.now)
                if not isinstance(one, News)]

    def open(self, ahead=0):
        assert self.sent()[0][0] == "hello"
        self.sequence = 0
        limits = {**LIMITS, 12: self.wall + ahead} if ahead else LIMITS
        self.say(WELCOME, ("welcome", 0, limits))
        assert self.session.state == OPEN

    def reset(self, error):
        number = errors.NUMBERS[error]
        return self.say(RESET, ("reset", 0, {1: number, 3: 1, 4: 1}))

    def submit(self, wait=False, deadline=None, **options):
        call = _calls.submit(Submission("q", id=ID, **options), bytes, wait)
        return self.session.ask(call, deadline, None)


@pytest.fixture
def stage():
    one = Stage()
    one.open()
    return one


def test_submission_is_sent_again_under_its_id_in_a_new_session(stage):
    request = stage.submit()
    first = stage.sent()
    stage.session.link_up(stage.now)
    stage.open()

    again = stage.sent()

    assert again == first == [("submit", request.number, {1: ID, 2: "q"})]


def made_at(job_id):
    return int.from_bytes(job_id[:6], "big")


def pass_time(stage, ms):
    stage.now += ms
    stage.wall += ms


@pytest.fixture
def apart():
    """A stage without a broker, whose clock is an hour into 1970; that of the broker it
    will meet is ten minutes ahead."""
    one = Stage()
    one.wall = 3600000
    return one


AHEAD_MS = 600000


def unnamed(stage, **options):
    """A submission with an id of the library's own making, asked for now."""
    call = _calls.submit(Submission("q", **options),
                         lambda: stage.session.new_id(stage.wall), False)
    return stage.session.ask(call, None, None), call.record[1]


@pytest.mark.parametrize("payload", [b"", b"x" * 20000], ids=["inside", "apart"])
def test_own_id_is_of_the_brokers_time_and_stays_once_it_was_sent(apart, payload):
    _, before = unnamed(apart, payload=payload)
    pass_time(apart, 3600000)
    apart.open(AHEAD_MS)

    first = apart.sent()[0][2]

    assert made_at(first[1]) == apart.wall + AHEAD_MS and first[1][6:] != before[6:]
    assert first.get(3, b"") == payload
    apart.session.link_up(apart.now)  # The broker may have it.
    pass_time(apart, 3600000)
    apart.open(AHEAD_MS)
    assert apart.sent()[0][2] == first


def test_own_id_that_is_young_is_not_made_anew(apart):
    apart.open(AHEAD_MS)
    _, made = unnamed(apart)
    pass_time(apart, 500)

    assert apart.sent()[0][2][1] == made


def test_own_ids_wait_in_line_and_are_made_anew_when_they_leave(apart):
    apart.open(AHEAD_MS)
    apart.session.requests_max = 1
    first, _ = unnamed(apart)
    unnamed(apart)
    assert len(apart.sent()) == 1
    pass_time(apart, 3600000)
    apart.session.quiet_since_ms = apart.now
    apart.say(BATCH, ("job", first.number, {1: ID, 6: 3}))

    assert made_at(apart.sent()[0][2][1]) == apart.wall + AHEAD_MS


def test_id_of_the_caller_is_never_changed(apart):
    given = _calls.submit(Submission("q", id=ID), bytes, False)
    apart.session.ask(given, None, None)
    apart.open(AHEAD_MS)

    assert apart.sent()[0][2][1] == ID


def test_own_ids_of_a_list_are_made_anew_the_others_stay(apart):
    call = _calls.submit_many(
        [Submission("q"), Submission("q", id=ID), Submission("q")],
        lambda: apart.session.new_id(apart.wall))
    apart.session.ask(call, None, None)
    pass_time(apart, 3600000)
    apart.open(AHEAD_MS)

    first = apart.sent()[0][2]

    one, given, two = [job[1] for job in first[1]]
    assert made_at(one) == made_at(two) == apart.wall + AHEAD_MS
    assert given == ID and one != two
    apart.session.link_up(apart.now)
    pass_time(apart, 3600000)
    apart.open(AHEAD_MS)
    assert apart.sent()[0][2] == first


def test_run_that_was_accepted_is_waited_for_and_not_submitted_again(stage):
    request = stage.submit(wait=True)
    stage.sent()
    stage.say(BATCH, ("job", request.number, {1: ID, 6: 3, 7: 1, 32: 77}))
    stage.session.link_up(stage.now)
    stage.open()

    again = stage.sent()

    assert again == [("wait", request.number, {1: ID, 5: 77, 6: True, DURABILITY: 1})]


def lose(stage, epoch, durability):
    """The session is lost; the broker that is there next is of that kind."""
    stage.session.link_up(stage.now)
    assert stage.sent()[0][0] == "hello"
    stage.sequence = 0
    stage.say(WELCOME, ("welcome", 0, {**LIMITS, 2: epoch, 13: durability}))


@pytest.mark.parametrize("asked, acked, epoch, durability, name", [
    ("", True, 77, 1, "submit"),  # The same broker.
    ("", False, 78, 1, "submit"),  # Another; the old one had not seen it.
    ("", True, 78, 2, "submit"),  # Another, which has what the old one took.
    ("", True, 78, 1, "wait"),  # Another, and what the old one took is gone.
    ("none", True, 77, 2, "submit"),  # The same, which can remember, …
    ("none", True, 78, 2, "wait"),  # … another: this job it cannot know.
])
def test_run_for_its_end_only_is_not_run_again(stage, asked, acked, epoch, durability, name):
    request = stage.submit(wait=True, end_only=True, durability=asked)
    stage.sent()
    if acked:
        stage.say(BATCH, ("heartbeat", 0, {}))
    lose(stage, epoch, durability)

    told = stage.sent()[0]

    assert (told[0], told[1], told[2][1]) == (name, request.number, ID)
    if name == "wait":
        assert told[2] == {1: ID, 5: 77, 6: True, **({DURABILITY: 1} if asked else {})}
        lost = stage.say(BATCH, ("error", request.number, {1: 22}))[0]
        assert (lost.error.code, lost.error.job.id_bytes) == ("lost_with_broker", ID)


def test_wait_that_a_broker_took_names_it_to_the_next_one(stage):
    request = stage.session.ask(_calls.wait({1: ID}), None, None)
    stage.sent()
    stage.say(BATCH, ("heartbeat", 0, {}))
    lose(stage, 78, 1)

    assert stage.sent() == [("wait", request.number, {1: ID, 5: 77, 6: True})]


def test_reset_without_a_session_says_hello_at_once(stage):
    stage.submit()
    stage.sent()
    old = stage.session.number

    stage.reset("no_session")

    assert stage.sent()[0][0] == "hello" and stage.session.number != old


def test_refused_session_waits_before_hello(stage):
    stage.reset("not_allowed")

    assert stage.session.state == PAUSED and stage.sent() is None
    stage.now += 1000
    stage.session.tick(stage.now, "no_broker", "")
    assert stage.sent()[0][0] == "hello"


def test_gap_begins_anew(stage):
    request = stage.submit()
    stage.sent()
    stage.sequence += 1

    stage.say(BATCH, ("job", request.number, {1: ID, 6: 3}))

    assert stage.sent()[0][0] == "hello"


def test_message_of_an_old_session_is_dropped(stage):
    request = stage.submit()
    stage.sent()

    answers = stage.say(BATCH, ("job", request.number, {1: ID, 6: 3}), number=99)

    assert answers == []


def test_same_message_twice_counts_once(stage):
    request = stage.submit(wait=True)
    stage.sent()
    stage.say(BATCH, ("job", request.number, {1: ID, 6: 3}))
    stage.sequence -= 1

    assert stage.say(BATCH, ("job", request.number, {1: ID, 6: 3})) == []


def test_answers_that_were_not_taken_are_not_acknowledged(stage):
    request = stage.submit()
    stage.sent()
    stage.sequence += 1
    packed = [_codec.pack_command(CODE["job"], request.number, {1: ID, 6: 3})]
    frame = _codec.write(BATCH, stage.session.number, stage.sequence, 2, packed)
    stage.session.receive([frame], stage.now, 0)
    stage.submit()

    stage.sent()

    assert stage.acked == 1
    list(stage.session.answers(stage.now))
    stage.now += 50
    assert stage.sent() == [("heartbeat", 0, {})] and stage.acked == 2


def test_answers_that_wait_to_be_taken_make_one_heartbeat_not_a_storm(stage):
    """A front end whose turn is over leaves answers in the inbox; they are acknowledged
    when they were taken, and until then nothing goes out again and again."""
    requests = [stage.submit(), stage.submit()]
    stage.sent()
    stage.sequence += 1
    packed = [_codec.pack_command(CODE["job"], one.number, {1: ID, 6: 3}) for one in requests]
    stage.session.receive([_codec.write(BATCH, stage.session.number, stage.sequence, 2,
                                        packed)], stage.now, 0)
    left = stage.session.answers(stage.now)
    next(left)
    stage.now += 50

    assert [stage.sent(), stage.sent()] == [[("heartbeat", 0, {})], None]
    next(left)
    next(left, None)
    stage.now += 50
    assert stage.sent() == [("heartbeat", 0, {})] and stage.acked == stage.sequence


def test_heartbeats_are_not_acknowledged_with_heartbeats(stage):
    stage.submit()
    stage.sent()

    stage.say(BATCH, ("heartbeat", 0, {}))
    stage.now += 50

    assert stage.sent() is None


def test_idle_session_is_silent_and_busy_one_beats(stage):
    stage.now += 10000
    assert stage.sent() is None and stage.session.wake_ms() is None

    stage.submit(wait=True)
    stage.sent()
    stage.now += 10000

    assert stage.sent() == [("heartbeat", 0, {})]


def test_deadline_is_unknown_by_its_reason(stage):
    stage.submit(deadline=2000)
    stage.sent()
    stage.session.tick(2000, "no_broker", "")
    (late,) = stage.session.answers(2000)
    stage.session.link_down()
    stage.submit(deadline=3000)
    stage.session.tick(3000, "connection_refused", "nothing there")
    (away,) = stage.session.answers(3000)

    assert late.error.code == "timed_out" and isinstance(late.error, errors.Unknown)
    assert away.error.code == "connection_refused" and away.error.text == "nothing there"


def test_many_deadlines_end_piece_by_piece_and_all(stage):
    requests = [stage.submit(deadline=2000) for _ in range(1000)]
    turns = 0
    while stage.session.requests:
        assert stage.session.wake_ms() <= 2000  # Due at once, while there are more.
        stage.session.tick(2000, "no_broker", "")
        turns += 1

    late = list(stage.session.answers(2000))
    assert [one.request for one in late] == requests and 3 < turns < 10


def test_given_up_run_names_its_job_and_stops_waiting(stage):
    request = stage.submit(wait=True, deadline=2000)
    stage.sent()
    stage.say(BATCH, ("job", request.number, {1: ID, 6: 3, 32: 77}))
    stage.session.tick(2000, "no_broker", "")

    (answer,) = stage.session.answers(2000)

    assert answer.error.job.id_bytes == ID and answer.error.job.epoch == 77
    assert stage.sent() == [("unwait", 0, {1: request.number})]


def test_what_is_too_large_is_never_sent(stage):
    stage.submit(payload=b"x" * ((1 << 19) + 1))

    assert stage.sent() is None
    (answer,) = stage.session.answers(stage.now)
    assert isinstance(answer.error, errors.TooLarge)


def test_large_payload_travels_alone_at_the_end(stage):
    stage.submit()
    stage.submit(payload=b"x" * 20000)
    stage.submit()

    first, second = stage.sent(), stage.sent()

    assert [len(first), len(second)] == [2, 1] and first[1][2][3] == b"x" * 20000


def test_requests_wait_beyond_the_limit_of_the_broker(stage):
    stage.session.requests_max = 2
    for _ in range(3):
        stage.submit()

    assert len(stage.sent()) == 2 and stage.sent() is None


def test_waiting_that_was_refused_is_looked_into(stage):
    request = stage.submit(wait=True)
    stage.sent()
    too_many = errors.NUMBERS["too_many"]
    assert stage.say(BATCH, ("error", request.number, {1: too_many, 2: "no more"})) == []
    assert stage.sent() == [("submit", request.number, {1: ID, 2: "q"})]

    (answer,) = stage.say(BATCH, ("job", request.number, {1: ID, 6: 3, 32: 77}))

    assert answer.error.code == "too_many" and answer.error.job.id_bytes == ID


def test_silence_is_death_only_while_something_is_asked(stage):
    assert not stage.session.is_dead(10 ** 9)
    stage.submit(wait=True)
    stage.sent()

    assert not stage.session.is_dead(stage.now + 29999)
    assert stage.session.is_dead(stage.now + 30000)


def test_subscription_goes_on_with_a_gap(stage):
    request = stage.session.ask(_calls.events("q", "", None, ()), None, None)
    stage.sent()
    stage.session.link_up(stage.now)

    answers = [one for one in stage.session.answers(stage.now) if isinstance(one, Answer)]

    assert answers[0].record == {1: [{2: 12}]}
    stage.open()
    assert stage.sent() == [("subscribe", request.number, {2: "q"})]


def test_partial_output_goes_on_where_it_was(stage):
    request = stage.session.ask(_calls.wait({1: ID}, True, True), None, None)
    stage.sent()
    stage.say(BATCH, ("partial", request.number, {1: ID, 3: 4, 4: b"abc"}))
    stage.session.link_up(stage.now)
    stage.open()

    assert stage.sent()[0][2][11] == 7


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_never_raises(stage, seed):
    rng = random.Random(seed)
    stage.submit(wait=True)
    stage.sent()
    for _ in range(300):
        body = rng.randbytes(rng.randrange(60))
        stage.sequence += 1
        frame = _codec.HEADER.pack(0x4747, 1, rng.choice((2, 3, 4, 9)), 0, 0,
                                   stage.session.number, stage.sequence, 0) + body
        stage.session.receive([frame, b"two"][: rng.choice((1, 1, 2))], stage.now, 0)
        list(stage.session.answers(stage.now))
        stage.session.next_message(stage.now, 0)
