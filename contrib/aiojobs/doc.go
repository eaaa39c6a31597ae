// Package aiojobs distributes jobs and queues over processes and machines, with NATS
// JetStream as the engine: embedded in the process by default, or a cluster of the same
// server.
//
//	var resize = aiojobs.NewJob[Args, Result]("resize", nil)
//
//	c, err := aiojobs.Open(ctx, nil) // data in the folder aiojobs.data
//	// func resizeImage(ctx context.Context, a Args) (Result, error)
//	err = aiojobs.Register(c, resize, resizeImage)
//	err = c.Work(ctx, nil) // in any number of processes
//
//	h, err := resize.Submit(ctx, c, args, nil) // in any process
//	result, err := h.Await(ctx)
//
// # Streams
//
// A namespace NS (Options.Namespace) has four streams.
//
//   - NS_work, subjects NS.run.QUEUE.PRIORITY: the jobs that are not done. It is a work
//     queue: an acknowledged message is removed. A full stream refuses messages, and
//     Submit awaits. Message ids make a repeated submission harmless.
//   - NS_later, subjects NS.later.ID and NS.every.NAME: delayed and periodic jobs. The
//     server's scheduler copies them to NS.due.QUEUE.PRIORITY, in the same stream, at
//     their time; from there on they are like those of NS_work.
//   - NS_results, subjects NS.result.ID: one message for each job that has ended, for
//     Options.ResultTTL. The first one is final: it is stored only if the subject has no
//     message. The server publishes a stored result again, as NS.done.ID, to the clients
//     that await it at that time; the others read the stream.
//   - NS_dead, subjects NS.dead.QUEUE: jobs that have failed for good.
//
// Progress (NS.progress.ID) and the request to stop a run (NS.cancel.ID) are messages
// that no stream keeps. A lost one costs time, and nothing else.
//
// # Consumers and acknowledgements
//
// Each queue has one durable consumer for each priority, in NS_work and in NS_later. All
// workers pull from it, and ask for no more messages than they have free places. A
// worker, in this order,
//
//  1. reads the result of the job; if there is one, it acknowledges the message,
//  2. runs the job, and says meanwhile that it is in progress, three times in AckWait,
//  3. stores the result and waits for the acknowledgement of the stream,
//  4. acknowledges the message.
//
// A failed run refuses the message with a delay, and the server delivers it again. The
// last one stores a dead letter before step 3. A cancellation is a result as well: it is
// stored, then workers are told.
//
// # What survives what
//
//   - A submission that was acknowledged survives the death of each process. With one
//     server it is in the page cache of the server's machine at least; with three
//     replicas the death of one machine loses nothing.
//   - A worker that dies: its jobs run again after AckWait. So a job runs at least once,
//     and no run begins after its result is readable: step 1 is the beginning of a run.
//   - A worker that cannot reach the server for longer than AckWait: another one runs
//     its job too. The first result counts; Stats.Duplicates counts the others.
//   - A submitter that dies: its jobs run. Their results can be read by id.
//   - A server that dies: clients connect to another one, or wait for it. Calls repeat
//     what was not acknowledged.
package aiojobs
