"""Drives the pure state of a service as the shell does, and checks what must always hold."""

from msgspec.structs import replace

from kettlingard.core.actor import Effect, happen, renew, retreat, tick, want
from kettlingard.core.backoff import RestartPolicy
from kettlingard.core.place import Standing
from kettlingard.core.reconcile import decide, wanted_places
from kettlingard.core.run import RunPolicy
from kettlingard.core.state import Circumstances, Policies, ServiceState, UpdatePolicy
from kettlingard.core.vocabulary import COMING, BecameReady, Exited, Phase, Spawned


class World:
    """Drives a service state the way the shell does, without processes."""

    def __init__(
        self, instances=1, *, start_first=True, parallelism=1, monitor=1.0, goes_on=False, **restart
    ):
        update = UpdatePolicy(start_first, parallelism, monitor, 2, goes_on)
        self.policies = Policies(RunPolicy(), RestartPolicy(**restart), update)
        self.state = ServiceState(policies=self.policies)
        self.now = 0.0
        self.around = Circumstances()
        self.done = []
        self.scale(instances)

    def scale(self, instances, **more):
        wanted = replace(self.state.wanted, instances=instances, **more)
        self.state = want(self.state, wanted, forgive=True, now=self.now)
        self.tick()

    def update(self):
        generation = self.state.wanted.generation + 1
        self.state = renew(self.state, generation, self.policies, self.now)
        self.tick()

    def retreat(self):
        self.state = retreat(self.state, self.policies, self.now)
        self.tick()

    def renew_place(self, place):
        newest = max(m.number for m in self.state.at_place(place))
        self.scale(self.state.wanted.instances, renew={place: newest})

    def tick(self, after=0.0):
        self.now += after
        self.state, output = tick(self.state, self.now, self.around)
        self.note(output)
        self.check()

    def feed(self, number, make, *arguments, storm=False):
        self.state, output = happen(self.state, number, make(self.now, *arguments), storm=storm)
        self.note(output)
        self.tick()

    def note(self, output):
        self.done += [(o.action, o.member.number) for o in output if isinstance(o, Effect)]

    def members(self, *phases):
        return [m for m in self.state.members.values() if m.run.phase in phases]

    def bring_up(self, *, only=None):
        """Let everything that starts become ready."""
        while coming := [m for m in self.members(*COMING) if only is None or m.place in only]:
            for member in coming:
                self.feed(member.number, Spawned)
                self.feed(member.number, BecameReady)

    def end_draining(self):
        for member in self.members(Phase.DRAINING, Phase.STOPPING, Phase.KILLING):
            self.feed(member.number, Exited, 0, None)

    def crash(self, place=1, code=1, *, storm=False):
        number = max(m.number for m in self.state.at_place(place))
        self.feed(number, Exited, code, None, storm=storm)

    def serving(self):
        found = {m.place: m.number for m in self.state.members.values() if m.run.dispatchable}
        return dict(sorted(found.items()))

    def standing(self, place=1):
        return self.state.place(place).standing

    # What must hold after each step, whatever has happened.

    def check(self):
        self.check_one_with_traffic()
        self.check_one_at_a_time()
        self.check_each_wanted_place_is_in_hand()
        assert not self.members(Phase.EXITED), "the dead are buried"
        self.check_nothing_unwanted_is_left_alone()
        self.check_nothing_is_undone()

    def check_one_with_traffic(self):
        places = [m.place for m in self.state.members.values() if m.run.dispatchable]
        assert len(places) == len(set(places)), "two dispatchable runs of one place"

    def check_one_at_a_time(self):
        places = [m.place for m in self.state.members.values()]
        first = self.policies.update.start_first
        assert first or len(places) == len(set(places)), "two runs of one place, stop-first"

    def check_nothing_is_undone(self):
        if self.around.tokens == Circumstances().tokens:  # `tick` has used them up
            left = decide(self.state, self.now, self.around)
            assert left == [], "it takes back what it has done"

    def check_each_wanted_place_is_in_hand(self):
        for place in wanted_places(self.state):
            record = self.state.place(place)
            if self.state.at_place(place):
                # it runs, starts, or ends: each with a timer or an event that must come
                continue
            waits = (
                not self.around.may_start
                or self.around.tokens < Circumstances().tokens
                or self.braked()
            )
            backoff = record.standing is Standing.BACKOFF and record.due is not None
            over = record.standing in {Standing.FAILED, Standing.ENDED}
            assert waits or backoff or over, f"nobody cares for place {place}: {record}"

    def braked(self):
        return len(self.members(*COMING)) >= self.policies.update.start_parallelism

    def check_nothing_unwanted_is_left_alone(self):
        wanted = set(wanted_places(self.state))
        for member in self.state.members.values():
            assert member.place in wanted or not member.active
            if not member.active or member.run.phase in COMING:
                assert member.run.deadline is not None, f"no way out: {member}"
