"""What all peers of a simulated run have alike: their keys, and the run itself, from its plan."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast

from zpeer.crypto import SigningKey, Verifier
from zpeer.genesis import Genesis
from zpeer.ids import PeerId, digest, digest_bytes, number
from zpeer.numerics.dealing import to_bytes
from zpeer.numerics.optimizers import Sgd
from zpeer.plugins import Kind, load_plugins
from zpeer.shell.assembly import Ingredients
from zpeer.simulate.task import TYPICAL_NORM, Quadratic
from zpeer.simulation import RealSignatures, Signatures
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from zpeer.interfaces import Aggregator, ValidatorPolicy
    from zpeer.plugins import Plugins
    from zpeer.simulate.plan import Plan

AGGREGATOR, POLICY = "centered_clip", "uniform"
LEARNING_RATE = 0.05


class Keys(NamedTuple):
    """Who can sign, and who can be believed."""

    peers: dict[int, PeerId]
    """By number."""
    public: dict[PeerId, bytes]
    signatures: Signatures | RealSignatures


@cache
def plugins() -> Plugins:
    """All that is installed."""
    return load_plugins()


def make_keys(plan: Plan) -> Keys:
    """The same keys for a number in every plan of a seed."""
    seeds = {
        each: digest("zpeer/simulate/peer", number(plan.seed), number(each))
        for each in plan.members
    }
    if not plan.real_signatures:
        peers = {each: PeerId(seed) for each, seed in seeds.items()}
        return Keys(peers, {peer: b"\2" + peer for peer in peers.values()}, Signatures())
    keys = {each: SigningKey.generate(seed) for each, seed in seeds.items()}
    peers = {each: key.public.peer for each, key in keys.items()}
    by_peer = {key.public.peer: key for key in keys.values()}
    verifier = Verifier(key.public for key in keys.values())
    public = {peer: key.public.compressed for peer, key in by_peer.items()}
    return Keys(peers, public, RealSignatures(by_peer, verifier))


def make_ingredients(plan: Plan, keys: Keys, task: Quadratic) -> Ingredients:
    """What all peers of the run share."""
    start = task.start()
    genesis = Genesis(
        run=digest("zpeer/simulate/run", number(plan.seed)),
        peers=tuple(keys.peers[each] for each in plan.members),
        names=tuple(f"peer-{each:02}" for each in plan.members),
        dimension=plan.dimension,
        block=plan.block,
        steps=plan.steps,
        validators=plan.validators,
        parameters=digest_bytes(to_bytes(start)),
        typical_norm=plan.typical * TYPICAL_NORM,
        delta_multiple=4.0,
        typical_window=plan.typical_window,
        directions=plan.directions,
        optimizer_digest_every=plan.optimizer_digest_every,
        patience=plan.patience,
        work=plan.work,
        charges_max=plan.charges_max,
        charge_lifetime=plan.charge_lifetime,
    )
    return Ingredients(
        genesis=genesis,
        parameters=start,
        aggregator=cast("Aggregator", plugins().build(Kind.AGGREGATOR, AGGREGATOR, {})),
        policy=cast("ValidatorPolicy", plugins().build(Kind.VALIDATOR_POLICY, POLICY, {})),
        limits=WireLimits(len(plan.members), plan.directions),
        make_optimizer=lambda: Sgd(momentum=0.9, nesterov=True),
        learning_rate=lambda _step: LEARNING_RATE,
        keys=keys.public,
    )
