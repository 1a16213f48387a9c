/* keeper.h - the small process beside each agent that outlives it, and kills.
 *
 * Problem: no attempt may outlive its lease or its agent, also when the agent is killed
 * with -9 or stopped, and a job may have left its process group or its parents. So the
 * agent starts nothing itself: the keeper, a process with nothing else to do, forks the
 * attempts, is the one that orphans are given to (PR_SET_CHILD_SUBREAPER), and holds
 * the deadline of each. When the agent's end of the socket closes it kills whatever
 * descends from it, until nothing does, and exits.
 *
 *   main process of a child ends  ──▶ KILL to its group and its strays; the report when
 *                                     they have gone (or after a second)
 *   stop ordered                  ──▶ signal to the group, after the grace KILL to all
 *   deadline passed               ──▶ KILL to all, agent or not
 *   agent gone                    ──▶ KILL to all, until no process is left
 *
 * Strays (processes that left the group) are found by walking down from the main
 * process while it lives. Orphans come to the keeper: each bears GANGER_CHILD, which
 * names its child. An orphan that has wiped its environment goes when every child that
 * was alive at its start has ended.
 */
#ifndef GG_WORKER_EXEC_KEEPER_H
#define GG_WORKER_EXEC_KEEPER_H

/* Run as the keeper, with the socket at GG_KEEPER_FD, until the agent has gone and
 * everything is dead; then remove `temp_folder` (by becoming rm) unless it is "".
 * Returns the exit status otherwise. */
int gg_keeper_main(const char *temp_folder);

#endif
