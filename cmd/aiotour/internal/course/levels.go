// Package course has the programs of the course, and says which of them are correct.
//
// A program of a level works in asyncio's own order of steps, and fails in another one.
package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// Level is a program to break, with versions of it to choose from.
type Level struct {
	ID    string // the name of the page of the level
	Title string
	File  string // its source
	Story string // what the program does
	Hint  string // where to look for the bug
	Moral string // the lesson, shown after the program was broken
	// Broken is the program, and Versions are attempts to mend it.
	Broken   Version
	Versions []Version
}

// Version is a version of a program.
type Version struct {
	Func    string // the name of the function
	Label   string // what is different in this version
	Correct bool   // whether the version works in every order
	Because string
	Program play.Program
}

// Demo is a program that a page shows, with a question about its output.
type Demo struct {
	Func    string
	File    string
	Program play.Program
	// Guess has the answers to the question about the order of the output. One of
	// them is correct; the lines of an answer are separated by spaces.
	Guess []string
}

// ended waits until a task has ended, in whatever way.
func ended[T any](ctx context.Context, task *aio.Task[T]) error {
	_, _, err := aio.Wait(ctx, []*aio.Task[T]{task}, aio.NoTimeout, aio.AllCompleted)
	return err
}

// Programs returns all programs by the names of their functions.
func Programs() map[string]play.Program {
	all := map[string]play.Program{}
	for _, d := range Demos {
		all[d.Func] = d.Program
	}
	for _, l := range Levels {
		all[l.Broken.Func] = l.Broken.Program
		for _, v := range l.Versions {
			all[v.Func] = v.Program
		}
	}
	return all
}

// Levels are the levels in the order in which to play them.
var Levels = []Level{
	{
		ID: "lost-update", Title: "The lost update", File: "lost_update.go",
		Story:  "Ann and Bob share an account with 100. Each withdraws 30, and each withdrawal is audited before it is written. Find an order of the steps in which the balance is wrong.",
		Hint:   "Ann reads the balance before her audit, and writes it after. What can happen in between?",
		Moral:  "A value that was read before an await can be stale after it. Between the read and the write there was an await, and the other task ran there.",
		Broken: Version{"lostUpdate", "", false, "", lostUpdate},
		Versions: []Version{
			{"lostUpdateYield", "Let other tasks run before the balance is read", false, "The other task can still run during the audit, between the read and the write.", lostUpdateYield},
			{"lostUpdateLate", "Read the balance after the audit", true, "Nothing awaits between the read and the write, so no other task can run there.", lostUpdateLate},
			{"lostUpdateLock", "Hold a lock from the read to the write", true, "The other task waits for the lock while the audit runs.", lostUpdateLock},
		},
	},
	{
		ID: "double-connect", Title: "One connection too many", File: "double_connect.go",
		Story:  "Two requests share one connection. The first request that needs it makes it. Make the program open two connections.",
		Hint:   "When does connected become true?",
		Moral:  "The check and the assignment are separated by an await. A second task passes the check while the first one is still connecting.",
		Broken: Version{"doubleConnect", "", false, "", doubleConnect},
		Versions: []Version{
			{"doubleConnectLock", "Check while holding a lock", true, "The second task checks only after the first one has connected.", doubleConnectLock},
			{"doubleConnectOutside", "Check first, then connect while holding a lock", false, "The second task has passed the check when it gets the lock, and does not check again.", doubleConnectOutside},
			{"doubleConnectTask", "Keep the task that connects, and await it from everywhere", true, "The task is stored without an await after the check. Shield keeps one caller's cancellation from the others.", doubleConnectTask},
		},
	},
	{
		ID: "lock-order", Title: "Two locks", File: "lock_order.go",
		Story:  "Two cooks need the knife and the board. Make them wait for each other for ever.",
		Hint:   "Let each of them take one thing.",
		Moral:  "Two tasks took two locks in opposite orders. Each of them held the lock that the other one waited for: a deadlock.",
		Broken: Version{"lockOrder", "", false, "", lockOrder},
		Versions: []Version{
			{"lockOrderYield", "Let the baker run Sleep(0) first", false, "Sleep(0) lets the others run once. It does not wait until they have finished.", lockOrderYield},
			{"lockOrderSame", "Take the locks in the same order", true, "A task that holds the board already has the knife, so it waits for nobody.", lockOrderSame},
			{"lockOrderPolite", "If the knife is taken, let the baker wait a while, then take the board", false, "Waiting a while is not waiting until the knife is free. And even if it were free, the other cook could take it before the baker does.", lockOrderPolite},
		},
	},
	{
		ID: "lost-notify", Title: "The lost notification", File: "lost_notify.go",
		Story:  "A postman rings the bell, and a reader waits for it. Make the reader wait for ever.",
		Hint:   "What happens to a ring while nobody waits?",
		Moral:  "A notification wakes only tasks that already wait. One that comes too early is lost.",
		Broken: Version{"lostNotify", "", false, "", lostNotify},
		Versions: []Version{
			{"lostNotifyPredicate", "Wait with WaitFor until there is a letter", true, "WaitFor checks the state first, and waits only if there is no letter yet.", lostNotifyPredicate},
			{"lostNotifyTwice", "Ring twice", false, "Both rings can come before the reader waits.", lostNotifyTwice},
			{"lostNotifyEvent", "Use an Event instead", true, "An event stays set. A task that comes later does not wait.", lostNotifyEvent},
		},
	},
	{
		ID: "order", Title: "The order of the answers", File: "order_of_tasks.go",
		Story:  "Two tasks download the chapters of a report, and append them to it. Mix up the chapters.",
		Hint:   "Which answer arrives first?",
		Moral:  "Tasks finish in the order in which their answers arrive, whatever the order is in which they were created.",
		Broken: Version{"orderOfTasks", "", false, "", orderOfTasks},
		Versions: []Version{
			{"orderOfTasksLock", "Hold a lock during each download", false, "The lock serves tasks in the order in which they ask for it, and the second task may start first. Besides, only one download runs at a time.", orderOfTasksLock},
			{"orderOfTasksIndex", "Give each task its own place in a slice", true, "Each task writes to its own place, whenever it finishes.", orderOfTasksIndex},
			{"orderOfTasksGather", "Collect the results with Gather", true, "Gather returns the results in the order of its arguments.", orderOfTasksGather},
		},
	},
	{
		ID: "permit-lost", Title: "The lost permit", File: "permit_lost.go",
		Story:  "A pool has one connection, and its first client may disconnect at any time. Make the second client wait for ever.",
		Hint:   "Cancel the first client while it holds the permit.",
		Moral:  "A cancellation makes an await return an error. The code after it, which releases the permit, never ran.",
		Broken: Version{"permitLost", "", false, "", permitLost},
		Versions: []Version{
			{"permitLostDefer", "Release in a defer statement", true, "A deferred call runs however the function ends.", permitLostDefer},
			{"permitLostCleanUp", "Release after the query fails", false, "There are two awaits, and only the error of the first one releases the permit.", permitLostCleanUp},
			{"permitLostWith", "Use With", true, "With releases the permit however its body ends.", permitLostWith},
		},
	},
	{
		ID: "swallowed", Title: "The swallowed cancellation", File: "swallowed.go",
		Story:  "A postman delivers two letters, and continues if a letter has no address. The office may cancel the round. Make the postman continue after that.",
		Hint:   "Cancel before the last letter.",
		Moral:  "A cancellation is an error like any other, and it is delivered once. Code that continues after each error swallows it.",
		Broken: Version{"swallowed", "", false, "", swallowed},
		Versions: []Version{
			{"swallowedRetry", "Try each letter twice", false, "The second try begins after the cancellation.", swallowedRetry},
			{"swallowedCheck", "Return if the error is aio.ErrCancelled", true, "The cancellation leaves the loop, all other errors do not.", swallowedCheck},
			{"swallowedKnown", "Continue only after the errors that are expected", true, "Every other error, also a cancellation, ends the round.", swallowedKnown},
		},
	},
	{
		ID: "item-lost", Title: "The lost job", File: "item_lost.go",
		Story:  "A worker takes a job from a queue, and may be sent home at any time. Lose the job.",
		Hint:   "Cancel the worker after it has taken the job, and before the job is done.",
		Moral:  "The job had left the queue, and only the cancelled task knew of it.",
		Broken: Version{"itemLost", "", false, "", itemLost},
		Versions: []Version{
			{"itemLostPutBack", "Put the job back if it fails", true, "Whatever the error is, the job is in the queue again for the next worker.", itemLostPutBack},
			{"itemLostShield", "Shield the work", false, "The work continues, but nothing waits for it: the check comes before it is done.", itemLostShield},
			{"itemLostFirst", "Keep the job in the queue while it is being done", true, "Correct with one worker and one job. The last GetNowait takes whatever is first in the queue: with two jobs, it can remove the other one.", itemLostFirst},
		},
	},
	{
		ID: "unread-answer", Title: "The wrong answer", File: "unread_answer.go",
		Story:  "Requests share a connection. A user may cancel the request for apples. Make the request for pears get the answer of apples.",
		Hint:   "Cancel after the request was sent, and before its answer is read.",
		Moral:  "The cancelled request left its answer in the connection, and the next request read it.",
		Broken: Version{"unreadAnswer", "", false, "", unreadAnswer},
		Versions: []Version{
			{"unreadAnswerDrain", "Drop unread answers before each request", false, "The old answer may still be on its way, and arrive after that.", unreadAnswerDrain},
			{"unreadAnswerClose", "Close the connection after a cancellation", true, "The old answer arrives on a connection that nobody reads.", unreadAnswerClose},
			{"unreadAnswerShield", "Let the request finish in a shielded task, one at a time", true, "The cancelled caller leaves, but its request reads its own answer before the next one is sent.", unreadAnswerShield},
		},
	},
	{
		ID: "early-answer", Title: "Confirmed too early", File: "early_answer.go",
		Story:  "A server saves a value to its disk, and confirms it. The deadline of the client may cancel the write at any time. Make the server confirm a value that is not on the disk.",
		Hint:   "What is between the confirmation and the disk?",
		Moral:  "The confirmation came before the await that makes it true.",
		Broken: Version{"earlyAnswer", "", false, "", earlyAnswer},
		Versions: []Version{
			{"earlyAnswerDefer", "Confirm in a defer statement", false, "A deferred call also runs when the write has failed.", earlyAnswerDefer},
			{"earlyAnswerTask", "Start the write in a task, then confirm", false, "The task has begun, and need not be done.", earlyAnswerTask},
			{"earlyAnswerAfter", "Confirm after the write has succeeded", true, "There is no await between the end of the write and the confirmation, and an error skips it.", earlyAnswerAfter},
		},
	},
	{
		ID: "starvation", Title: "The starving writer", File: "starvation.go",
		Story:  "Readers may be in the archive together, but a writer needs it alone. Ann reads twice, Bob once. Let both of them overtake the writer, so that it would wait for ever if they continued.",
		Hint:   "Let the writer ask while Ann is inside and Bob has not come yet.",
		Moral:  "Somebody was always inside when the writer looked. Nothing was blocked, and every step was allowed, but a stream of readers keeps a writer out for ever. That is starvation.",
		Broken: Version{"starvation", "", false, "", starvation},
		Versions: []Version{
			{"starvationWake", "Wake the writer each time a reader leaves", false, "However often it looks, another reader may be inside.", starvationWake},
			{"starvationTurns", "Let new readers wait while a writer waits", true, "Those inside leave, and nobody new comes in before the writer.", starvationTurns},
			{"starvationLock", "Use a lock for readers and writers", true, "A lock serves tasks in the order in which they ask. But only one reader is inside at a time.", starvationLock},
		},
	},
}

// Demos are the programs of the other pages.
var Demos = []Demo{
	{"hello", "demo_token.go", hello, nil},
	{"turns", "demo_token.go", turns, []string{"A1 A2 A3 B1 B2 B3", "A1 B1 A2 B2 A3 B3", "B1 A1 B2 A2 B3 A3"}},
	{"passes", "demo_pass.go", passes, []string{"made child after", "made after child", "child made after"}},
	{"timers", "demo_pass.go", timers, []string{"3s 1s 2s", "1s 2s 3s", "it is not determined"}},
	{"awaits", "demo_await.go", awaits, []string{"main-1 task-1 main-2 main-3 task-2", "main-1 main-2 main-3 task-1 task-2", "main-1 main-2 task-1 main-3 task-2"}},
	{"ready", "demo_await.go", ready, []string{"taken other", "other taken"}},
	{"cancels", "demo_cancel.go", cancels, []string{"cancelled cleaned end", "cancelled end cleaned", "cleaned cancelled end"}},
	{"timeout", "demo_cancel.go", timeout, nil},
	{"henAndEgg", "demo_deadlock.go", henAndEgg, nil},
	{"bakery", "demo_queue.go", bakery, []string{"baked-1 baked-2 baked-3 ate-1 ate-2 ate-3", "baked-1 ate-1 baked-2 ate-2 baked-3 ate-3", "baked-1 ate-1 baked-2 baked-3 ate-2 ate-3"}},
	{"flood", "demo_queue.go", flood, nil},
	{"doors", "demo_events.go", doors, []string{"Ann Ben Cid open", "open Ann Ben Cid", "open Ann Ben"}},
	{"boss", "demo_events.go", boss, []string{"is-it-0? is-it-1? is-it-2? closed", "is-it-1? is-it-2? closed", "is-it-2? closed"}},
	{"byHand", "demo_future.go", byHand, []string{"waits drinks-tea poured", "waits poured drinks-tea", "poured waits drinks-tea"}},
	{"sleepByHand", "demo_future.go", sleepByHand, nil},
	{"groupErrors", "demo_groups.go", groupErrors, []string{"save-fails group-fails send-fails", "save-fails send-fails group-fails", "save-fails group-fails"}},
	{"gathered", "demo_groups.go", gathered, []string{"gather-fails sent", "sent gather-fails", "gather-fails"}},
	{"hog", "demo_fairness.go", hog, []string{"tick sum tick tick", "tick tick tick sum", "sum tick tick tick"}},
	{"shared", "demo_fairness.go", shared, []string{"sum tick tick tick", "tick tick tick sum", "tick sum tick tick"}},
	{"shutdown", "demo_shutdown.go", shutdown, []string{"2s-done stopping 7s-cancelled 1h0m0s-cancelled", "2s-done 7s-done stopping 1h0m0s-cancelled", "2s-done stopping 7s-done 1h0m0s-cancelled"}},
	{"thread", "demo_threads.go", thread, []string{"asks works has-the-letter hello", "asks has-the-letter works hello", "works asks has-the-letter hello"}},
	{"testedOnce", "demo_testing.go", testedOnce, nil},
	{"testedLock", "demo_testing.go", testedLock, nil},
	{"sameProgram", "demo_loop.go", sameProgram, nil},
}
