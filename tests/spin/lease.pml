/* lease.pml - lease, fence and crash, in every order: one job, two agents, a broker that
 * dies and begins again, messages that are late or lost. Time is a tick that everybody
 * counts; what must be done before a lease ends is done before the next tick.
 *
 *   broker:  gives the job to an agent under a new fence; takes it back when the lease
 *            has run out, or when an outcome of the newest fence comes
 *   agent:   runs what it is given, kills it before its lease ends, says its outcome
 *            again until it is confirmed
 *   restart: the broker knows of assignments only what agents say; until both have said
 *            hello, or a lease has passed, it gives the job to nobody
 *
 * Never two processes of the job at once; no outcome is taken but the newest fence's.
 * Each of the twins leaves one rule out and must be found wrong:
 * NO_MARGIN, NO_WAIT, ANY_FENCE, OLD_FENCE_ENDS_WAIT. tests/spin.sh runs them all.
 */
#define LEASE 4        /* Ticks, as the broker counts. */
#define FENCES 5       /* So many assignments are looked at. */
#define CRASHES 2

#ifdef NO_MARGIN
#define KILLED_IN_TIME true
#else
#define KILLED_IN_TIME !(running[0] && left[0] == 0) && !(running[1] && left[1] == 0)
#endif

byte fence;            /* Newest given, over all lives of the broker. */
byte crashes;

byte known;            /* Fence under which the broker thinks that it runs; 0 none. */
byte holder;
byte lease;            /* Ticks left of that. */
byte wait;             /* After a restart: ticks in which nobody gets it. */
bool back[2];          /* … and who has said hello since. */
bool done;

byte mail[2];          /* An assignment on its way: its fence; 0 none. */
byte mail_left[2];     /* Ticks left of its lease when it arrives. */

bool running[2];       /* A process of the job. */
byte hand[2];          /* Fence that the agent has in hand; 0 none. */
byte left[2];          /* Ticks until it must be dead. */
bool ended[2];         /* Its outcome is there and not confirmed. */

inline restart() {
    known = 0; lease = 0; wait = LEASE; back[0] = false; back[1] = false;
    crashes++
}

/* What the agent has in hand may be taken over: no record tells of it. */
inline hello(a) {
    back[a] = true;
    mail[a] = 0; mail_left[a] = 0; /* What came over the old connection is not heard. */
    if
    :: hand[a] > known -> known = hand[a]; holder = a; lease = LEASE;
       if
       :: running[a] -> left[a] = LEASE - 1
       :: else
       fi
    :: else -> /* Stale, or nothing: it stops at once. */
       if
       :: hand[a] != 0 && !(known == hand[a] && holder == a) ->
          running[a] = false; hand[a] = 0; ended[a] = false; left[a] = 0
       :: else
       fi
    fi
#ifdef OLD_FENCE_ENDS_WAIT
    ; if :: known != 0 -> wait = 0 :: else fi
#endif
}

active proctype world() {
    byte a;
    do
    /* ---- time ---- */
    :: KILLED_IN_TIME -> d_step {
        if :: lease > 0 -> lease-- :: else fi;
        if :: wait > 0 -> wait-- :: else fi;
        if :: left[0] > 0 -> left[0]-- :: else fi;
        if :: left[1] > 0 -> left[1]-- :: else fi;
        if :: mail_left[0] > 0 -> mail_left[0]-- :: else fi;
        if :: mail_left[1] > 0 -> mail_left[1]-- :: else fi
       }

    /* ---- the broker ---- */
    :: known == 0 && !done && fence < FENCES &&
#ifndef NO_WAIT
       (wait == 0 || (back[0] && back[1])) &&
#endif
       true ->
       if :: a = 0 :: a = 1 fi;
       d_step {
        fence++; known = fence; holder = a; lease = LEASE;
        mail[a] = fence; mail_left[a] = LEASE
       }
    :: known != 0 && lease == 0 -> known = 0 /* Lost. */
    :: crashes < CRASHES -> d_step { restart() }

    /* ---- agents ---- */
    :: true ->
       if :: a = 0 :: a = 1 fi;
       if
       :: mail[a] != 0 -> /* It arrives; too late, and it is not begun. */
          d_step {
            if
            :: mail[a] > hand[a] && mail_left[a] > 1 && !running[a] ->
               hand[a] = mail[a]; left[a] = mail_left[a] - 1;
               running[a] = true; ended[a] = false
            :: else
            fi;
            mail[a] = 0; mail_left[a] = 0
          }
       :: mail[a] != 0 -> mail[a] = 0; mail_left[a] = 0 /* Lost. */
       :: running[a] -> running[a] = false; ended[a] = true; left[a] = 0
       :: running[a] && left[a] == 0 -> /* The keeper: its lease is over. */
          d_step { running[a] = false; ended[a] = true }
       :: running[a] && known == hand[a] && holder == a -> /* A heartbeat … */
          lease = LEASE;
          if
          :: left[a] = LEASE - 1 /* … whose answer comes, */
          :: skip                /* … or does not. */
          fi
       :: wait > 0 && !back[a] -> d_step { hello(a) }
       :: ended[a] && (wait == 0 || back[a]) -> /* Its outcome. */
          d_step {
            if
#ifdef ANY_FENCE
            :: hand[a] != 0 && !done ->
#else
            :: hand[a] == known && holder == a && !done ->
#endif
               /* Taken: then nobody may have been given a newer one by this broker. */
               assert(known == 0 || hand[a] == known);
               known = 0; done = true
            :: else
            fi;
            ended[a] = false; hand[a] = 0
          }
       :: ended[a] && hand[a] == known && holder == a && !done &&
          (wait == 0 || back[a]) -> /* It failed: once more. */
          d_step { known = 0; ended[a] = false; hand[a] = 0 }
       :: skip
       fi
    od
}

active proctype judge() {
    do
    :: running[0] && running[1] -> assert(false)
    :: running[0] && running[1] && done -> break
    od
}
