"""THE SPECIFICATION: Byzantine-Tolerant All-Reduce with Detection as a pure state machine.

The protocol is that of Gorbunov, Borzunov, Diskin, Ryabinin, *Secure Distributed Training at
Scale* (ICML 2022), with CenteredClip of Karimireddy, He, Jaggi (ICML 2021), mended where an
attacker who reads it would get through. "Section" below means the design text of the protocol.
This package does no input or output, reads no clock and draws no randomness: events and a time go
into `Core.handle`, an ordered list of effects comes out, and nothing else happens. So a log of
events replays bit for bit, and a swarm with a hostile network runs in one process (section 7).

Guarantees
==========

Let n peers run, m of them validators in a step, and at most f = ceil((n - m)/2) - 1 be Byzantine:
they collude, see everything, and speak last. Then, for every honest peer:

- *Agreement.* All that decide a record decide the same one: same parameters, roster, draws,
  matters.
- *Accuracy.* No rule bans or removes it, whatever the others say; nothing it could sign by this
  code is a proof against it.
- *Detection.* Each deed of the table below costs its doer the place, at once where all can see
  it, else within a time that grows with n / m (a draw). What is only seen by recomputing is seen
  if the validator drawn is honest. In between a worker's damage is clipped to tau per part and
  step.
- *Proof.* Whatever bans leaves evidence that a stranger with the run file can judge alone.
- *Totality.* No event that a peer can cause raises anything, and memory is bounded: one slot a
  sender and stage for this head, one a sender and kind for heads to come (section 8).

And if messages between honest peers arrive within Delta, and any minority F = ceil(n/2) - 1 is
faulty in any way:

- *Progress.* The run goes on while three peers are left. Each attempt that is stuck costs somebody
  the place or a pair a charge, so there are not many.
- *Removal without blame.* Silence costs the place, not the name. An honest peer can lose its place
  only as one half of a pair whose other half is faulty and leaves with it.

The chain
=========

The genesis, then every decided attempt's *record*, make a chain: head = H(record). Every signed
message carries the head it builds on, so one field separates runs, steps and attempts. A record is
a function of the stage sets COMMIT to CHECK of its attempt and of bytes they name by hash
(`verdict.py`), or, after the slow path, of the agreed views alone (`resolve.py`); the next attempt
is a function of the record (`base.py`). An attempt *counts*, is *void* (parameters and minibatches
stay, the smaller roster tries again with the same validators), or, after the last step, *closes*:
everybody checks, nobody computes, until no draw and no matter is open and one more CHECK set is
recorded after the last report.

Workers of an attempt own one part each: the gradient is dealt in blocks, block b to part b mod
n_w. Secrets are bound to run, epoch, step and attempt, never to the head, which covers measured
times: with fixed entropy two runs of one genesis end in the same parameters.

Stages
======

    COMMIT -> (PART) -> AGGREGATED -> (RESULT) -> REVEAL -> PROJECTIONS -> CHECK -> VERDICT

Capitals without brackets are signed broadcasts, one slot each; PART and RESULT are bytes that
hashes in broadcasts cover. Every broadcast but COMMIT carries the *echo*: the digest of the set
before it. A message is in my set only if its echo is mine, and no stage is left before its set
has a message of everybody (`broadcast.py`, `step.py`). Every attempt has the same stages, also a
void one.

==============  ==================================================================================
COMMIT          H(g_i[j]) for every part j (nothing from a validator); c_i, which hides b_i, which
                hides a_i. PARTs follow. (`commit.py`, section 2)
AGGREGATED      H(v_j), v_j = CenteredClip_tau of the rows that match their hashes; unusable rows
                count as zeros. Fixed before any randomness is known. RESULTs follow.
                (`aggregate.py`)
REVEAL          b_i. r = H(xor b_i) gives directions z and the next step's minibatches: Blum's coin
                toss for n players. (`reveal.py`, `mprng.py`; the paper's MPRNG)
PROJECTIONS     r; for every part j: s_i^j = <z_j, clip_tau(g_i[j] - v_j)> for k directions, and
                norm_i^j = ||g_i[j] - v_j||. (`verify.py`; the paper's verifications 1 to 3)
CHECK           a_i; accusations; findings on open matters; a validator's reports; durations. The
                last word before q = H(xor a_i) draws validators and targets. (`check.py`)
VERDICT         H(record). n equal ones make it final, whenever they come. (`verdict.py`)
==============  ==================================================================================

*Why the draw comes last.* Nobody knows q before all PROJECTIONS are in. If r drew the validators,
as in the paper, colluders would lie just when no honest one of them looks (section 2).

Who sees what
=============

*Everybody, from sets alone* (`bodies.py`, `faulty.py`): a body that does not decode or could not
be honest; a share or secret that does not fit; a beacon that is not that of the shares; a RESULT
that matches its hash and is no finite vector of its length. And for every part: V2, that the
projections sum to zero within `u (96 sum_i min(norm_i, tau) + 32 lambda n ||v||)`; V3, that no
majority of workers reports a norm beyond Delta_max.

*The owner of part j*, who holds every row: V1, that s_i^j and norm_i^j follow from the committed
bytes; and rows that are no rows. It accuses in the same attempt's CHECK and publishes the bytes.

*A validator*, one to two open draws a step: whether commitment and statements of a target follow
from its minibatch. It reports H(v || g), so "fine" cannot be said without the work; the *target*
computes the same and accuses a validator whose report does not follow.

*Accusations* become *matters* in the record (`adjudicate.py`); the next CHECK carries everybody's
finding on each (`judge.py`): from bytes (`published.py`), or by computing the gradient again. More
than half of the roster guilty: the accused is banned. More than half innocent: the accuser is.
Neither, three records long: the accusation falls and its accuser is removed. Of several matters
between the same two peers the first is judged and the clock of the others stands; whose accusation
proved false or fell is heard no more, except for a shield. (The design text has one queue against
each accused: colluders hid an accomplice in it.) A ban makes what else stands against its peer
moot.

*A failed sum* bans the part's owner at once, unless its CHECK accuses somebody over that part: a
*shield*. Upheld or moot it clears the owner; innocent or fallen it bans it.

*A majority of norms beyond Delta_max* opens CheckAveraging, a matter that nobody brings and no
time ends: part j is published by all its owners, and by j for those that do not. Guilty: j is
banned. Who lets more than half lack its row is removed, and j with it. Innocent: the limit has
room for the rest of the step, and who reported beyond it is drawn.

Faults and outcomes (section 3; `faults.py` has the words)
==========================================================

=====================  ======================================  ===============================
fault                  seen by                                 outcome
=====================  ======================================  ===============================
EQUIVOCATION           who holds two bodies of one slot        call with the proof; ban
INVALID_BODY           all                                     ban; void unless CHECK, VERDICT
PART_NOT_FINITE        the owner; matter                       ban (the row counts as zeros)
RESULT_NOT_FINITE      all, once the REVEAL set is complete    ban, void
WRONG_SHARE            all, REVEAL                             ban, void
WRONG_SECRET           all, CHECK                              ban
WRONG_BEACON           all, PROJECTIONS                        ban, void
WRONG_PROJECTION       the owner, or a validator; matter       ban
WRONG_SUM              all, PROJECTIONS and CHECK              ban, void; a shield delays it
WRONG_AVERAGE          all, from published rows; matter        ban, void
WRONG_GRADIENT         its validator; matter                   ban
WRONG_REPORT           its target; matter                      ban, and the draw opens again
CONCEALED_PROJECTION   a validator; matter                     ban of the owner who kept quiet
FALSE_ACCUSATION       all, by their findings                  ban of the accuser
ACCUSATION_FELL        all: most lacked the bytes              removal of the accuser
PARTS_NOT_PUBLISHED    all: most lacked the row                removal, the part's owner too
SILENT                 all: no view in the slow path           removal
CLAIMED_BY_MOST        all: more than F wait for it            removal
CLAIMS_MOST            all: it waits for more than F           removal
PAIR_ELIMINATED        all: charged too often                  removal of both
CHARGED_WITH_MOST      all: charges with more than F           removal
SECRET_WITHHELD        all: no a_i in its view                 removal
=====================  ======================================  ===============================

A removed peer's last gradient is an open draw: a conviction turns the removal into a ban.
Everything in one CHECK set is judged as a set, in a fixed order: findings, then what all saw by
stage, then sums, then new matters. What a peer says counts although it is banned in the same
record.

Thresholds (`thresholds.py`; derivation in the design's numerics)
=================================================================

In units of u min(norm, tau), u = 2^-24: honest machines differ by less than 20; a finding is
upheld above 40; an honest owner or validator accuses above 60; a validator blames a quiet owner
above 100, upheld above 80, which the owner saw above 60. As a law 60 n, what all may be off
unaccused, plus an honest sum (0.13 of the tolerance) stays below the 96 n of the tolerance; so no
lies of others fail an honest owner's sum. All comparisons are written so that NaN fails them, and
what enters a record is computed from broadcast scalars by order-free exact sums (`math.fsum`).

tau and Delta_max are multiples of a typical norm that follows the median over parts of the median
over workers, in a window of counted steps, by at most a little a step (`limits.py`).

Draws (`draw.py`)
=================

Validators of the next step are the first m in order of q, targets the first m workers; in the
last step every worker is drawn. A void attempt draws by its own q and keeps the step's
validators: voiding an attempt escapes nothing. A draw stays open until a report stands and no
accusation from it is open; it lapses only after 2 n counted steps, and the record says so. A
validator takes the oldest draw not on itself, then a second: at one each the queue would be at
critical load.

What is kept (`retain.py`), and what is proven (`proofs.py`)
============================================================

Messages of the last few attempts; of any attempt that an open draw or matter rests on, or in
which it was said, until it is closed and one more record made. Tensors likewise, but for fewer
attempts. Evidence (`exhibits.py`) holds the accused's own messages and only such sets of others as
the accused signed the digest of, as an echo or within a head, or as a record names that n VERDICTs
or most DECIDED prove: nobody can sign a second story afterwards and frame it.

Agreement in trouble (section 5)
================================

*Schedule* (`schedule.py`). All due times of an attempt are fixed when it starts, by durations that
all agree on: what each stage took lately, as the median over peers of what they saw (`timing.py`),
times a margin; never less than `patience`, which is 6 Delta. PARTs and RESULTs are due 6 Delta
before the word that rests on them: who lacks bytes calls before anybody can miss its word.

*Asking* (`asking.py`). Who is ahead of me is asked for what I still miss, half a Delta later;
everybody is, 2 Delta before a deadline; a PART its worker, a RESULT everybody, by its hash. Who
echoes another set than mine is asked for it at once.

*Call* (`call.py`). Past a deadline, or with a proof in hand, a peer signs its *view*: what its
VERDICT names, its COMMIT set, its a_i, whom it waits for, a proof. Who gets a valid view with a
claim or a proof signs its own at once. After that nobody signs a stage message of the attempt.

*Slow path* (`slow_path.py`). Dolev-Strong broadcast of all views, F + 1 rounds of 4 Delta; in good
weather it is over after one, by CLOSED. Whose clock jumps by 2 Delta in it ends by what the others
DECIDED, or is cut off, never by the views it has read so far. Then (`resolve.py`):

1. a record that more than half of the roster voted for is the record. A fast commit needs
   everybody's VERDICT, so if anybody has it, every honest peer has voted for it;
2. else the attempt is void, by the views alone. Banned: who signed two views, or what a proof
   holds. Removed: who was not heard. Claims are settled. The a_i of the views, held against the
   COMMIT set that most of them name, give the q that CHECK would have given: nobody wins a better
   draw by calling.

What convicts a peer by its own words in an attempt that a call voided comes back as a proof in the
next CHECK (`convict.collect_misdeeds`), whether its stage's set was whole or not. What only a
part's owner saw in it is dropped, as failed sums are: the attempt moved nothing, and the call was
charged.

*Claims* (`claims.py`). A dispute over bytes that nobody else saw is charged to both. Who is claimed
by more than F, or claims more, is removed; so is a pair over its limit, and who has charges with
more than F. The claims of a call that did not keep the record from being made are settled in the
next CHECK set: no call is free.

*Certificates*. n VERDICTs prove a record; so do DECIDED of more than half of the roster, which all
sign after the slow path. Who is behind is shown them. Who ends with the views of half of the roster
or fewer was cut off: it decides nothing, and stops.

With `agreement = "stop"`, which is for debugging, and without protection, none of this exists: a
missed deadline, verdicts that differ or two bodies of one signer stop the peer with code 5 and an
error that names stage, peers and what was awaited.

What stays undetected
=====================

A shift of a part within the tolerance of its sum, in every step. A lone owner that covers its
shift with its own projection, or with an accomplice's, until either is drawn: Delta_max bounds
what it does in a step. A draw whose validator and target collude. Who withholds bytes from one
peer at a time: that is charged to both, up to the limit.

Without protection (`clip`, `none`) there are three stages, no checks, draws or beacons; only what
cannot be read at all still costs its sender the place.
"""
