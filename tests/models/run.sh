#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - check the models: the code's protocol must hold in every scene, and each variant, which leaves one thing out, must
# be found out. Skips (77) without spin or a C compiler.
set -eu
models=$(cd "$(dirname "$0")" && pwd)
model=$models/room.pml
compiler=${CC:-cc}
command -v spin >/dev/null && command -v "$compiler" >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
checks=-DSAFETY # what the checker is compiled with, and called with
looks=

# errors VARIANT SCENE: how many the checker found; empty if it did not get to the end.
errors() {
	rm -f pan*
	spin -a -DVAR="$1" -DSCENE="$2" "$model" >spin.log 2>&1 && "$compiler" -O2 -w "$checks" -DCOLLAPSE -o pan pan.c || {
		cat spin.log >&2
		return 1
	}
	# shellcheck disable=SC2086
	./pan $looks -m100000 -w22 >pan.log 2>&1 || true
	! grep -q 'Search not completed' pan.log || [ -e "$(basename "$model").trail" ] || return 1
	sed -n 's/^State-vector.*errors: //p' pan.log
	rm -f ./*.trail
}

scene() {
	found=$(errors 0 "$1")
	[ "$found" = 0 ] && echo "ok: scene $1: $2" && return
	echo "FAILED: scene $1: $2: the code's protocol does not hold" && failed=1
}

variant() {
	found=$(errors "$1" "$2")
	[ "${found:-0}" -gt 0 ] && echo "ok: found out: $3" && return
	echo "FAILED: scene $2 does not notice: $3" && failed=1
}

variant 1 0 "WAIT cleared on a word that another place shares, without looking again"
variant 2 4 "the token given up by a plain store, which loses a note"
variant 3 4 "a batch that is full, and no second call"
variant 4 4 "WAIT set after the try"
variant 5 4 "no kick after the push"
variant 6 4 "WAIT looked at before the give, not with it"
variant 7 4 "BUSY set after the look, which loses a note"
variant 8 3 "granted without asking whether it was cancelled"
variant 9 2 "the flag of its group not looked at after the push"
variant 10 5 "a claim that goes to another, without looking again at what it kept"
variant 11 2 "the word to sweep taken after the arrivals, not before"
variant 12 7 "a cancelled one delivered by whoever meets it, and again by its canceller's word"
variant 13 6 "who keeps time not told that somebody's time ends"
scene 0 "places that share a word"
scene 1 "a large one that is passed by, and its claim"
scene 2 "cancelled, and no room ever comes"
scene 3 "cancelled while room comes"
scene 4 "three give at once"
scene 5 "a claim goes from one to another"
scene 6 "one gives up, and no room ever comes"
scene 7 "given up, cancelled and granted at once"

model=$models/bias.pml
variant 1 0 "no barrier between taking the bias off and looking at what the owner is at"
variant 2 0 "an owner that does not say what it is at"
variant 3 0 "the bias put back on while others are in the middle"
variant 4 0 "busy cleared before the state is stored"
variant 5 0 "an owner that does not look at its bias"
variant 6 0 "busy cleared before the owner's exchange"
variant 7 0 "busy not looked at"
scene 0 "an owner and two others release, then the slot's next use"
scene 1 "an owner and three others release"

model=$models/credits.pml
variant 1 0 "a recall without barrier"
variant 2 0 "an owner that does not say that it is at its credit"
variant 3 1 "an owner that does not look again when it leaves"
variant 4 0 "a refusal while an owner was seen in the middle"
variant 5 0 "an owner that gives back out of sight"
variant 6 0 "busy not looked at after the credit was emptied"
variant 7 0 "a credit armed by a plain store"
variant 8 1 "the mode put OFF without another look at WAIT"
variant 9 0 "the mode not looked at after the word"
variant 10 0 "a refusal while another collects"
variant 11 1 "an owner that was seen, did nothing, and leaves what it has"
scene 0 "one is refused"
scene 1 "one waits"
scene 2 "two are refused, and recall"

model=$models/stock.pml
variant 1 0 "a stock taken back without barrier"
variant 2 0 "an owner that does not say that it is at its stock"
variant 3 0 "busy cleared before what is left is stored"
variant 4 0 "a new stock taken while somebody takes the old one back"
variant 5 0 "a stock filled up by an owner that does not say so"
variant 6 0 "a stock shown without another look whether the group is closed"
variant 7 0 "a stock that is not kept claimed until what was left is read"
variant 8 0 "a stock claimed without an exchange"
variant 9 0 "busy not looked at"
variant 10 0 "a wait that closes nothing, as nothing was pending, and goes on"
scene 0 "an owner and two that wait"
scene 1 "two owners and one that waits"

# Not only that nothing wrong happens: something happens at last, under weak fairness.
model=$models/claim.pml
checks=-DNFAIR=3
looks="-a -f"
variant 1 0 "a claim that takers do not see in the word: SEQ not looked at"
variant 2 0 "what is kept lent for ever"
variant 3 0 "a shadow time that moves away"
variant 4 1 "limits that come down, and nobody looks at who waits"
variant 5 2 "a claimant that gives up, and its claim stays"
scene 0 "a claim, and those who end before it is due"
scene 1 "a claim when limits come down"
scene 2 "a claimant that gives up"

model=$models/ledger.pml
variant 1 1 "SEQ not counted on with a change of what is kept"
variant 2 3 "a refusal without a second look at the word"
variant 3 1 "a debt lowered before it is paid"
variant 4 1 "CLAIM cleared without looking whether something was kept meanwhile"
variant 5 2 "a debt paid without TENT"
variant 6 1 "a claimant that digs into what is owed"
variant 7 3 "CLAIM set again without looking whether it may go"
scene 0 "a claim, and what it leaves"
scene 1 "a limit lowered, with a claim"
scene 2 "a limit lowered; what is there all the time is never short"
scene 3 "what comes back and is owed at once"
scene 4 "a total lowered, with tentative takes"
scene 5 "lowered below use and raised while it is paid"

checks=-DSAFETY
looks=
model=$models/handful.pml
variant 1 0 "calls stolen without a barrier in their owner"
variant 2 0 "what is stolen decided without a look at next"
variant 3 0 "the one that the owner reaches for given to the thief"
variant 4 1 "a hand filled while a thief is at it"
variant 5 0 "end not looked at after next is stored"
variant 6 1 "places used a second time"
variant 7 0 "next not put back"
scene 0 "a long fill, a thief that comes again"
scene 1 "filled again while two thieves are late"
scene 2 "filled three times"

model=$models/guest.pml
variant 1 0 "a worker that may be borrowed before it is announced"
variant 2 0 "a worker whose seat was lent sleeping on though somebody wants it"
variant 3 0 "a wake that is lost on a lent seat, and nobody knows"
variant 4 0 "a seat borrowed that is lent"
variant 5 2 "a borrowed seat that can still be picked"
variant 6 2 "a call that a guest does not hand on"
variant 7 0 "a seat given back to a thread that has come round already"
variant 8 0 "a seat given back by a quick exchange though nobody called it"
variant 9 0 "a seat given back without another look"
variant 10 0 "a seat picked while it is given back, and nobody woken again"
scene 0 "two guests and one seat"
scene 1 "a guest that comes again"
scene 2 "two workers and a guest"
exit $failed
