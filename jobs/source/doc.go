// Package source finds and reads the payments of one portal.
//
// A Source is the pipeline.Source of one run. It fetches each payment with
// crm.item.payment.get. The owners of a chunk's orders are fetched in the chunk's own
// request, so a row is complete as soon as its chunk is fetched.
//
// Find decides how payments are found. There is one finder for each value of
// source.list. The default finder lists the whole portal with sale.payment.list, which
// shows each payment's order and date of bill. Choose decides for source.list: auto if
// the portal refuses that list.
//
// An incremental job can find its changes in other ways. There is one type of changes
// for each value of source.since except list. It replaces the default finder for one
// run.
//
// MakeEstimate predicts what a run costs.
//
// # Errors
//
// *IDsError: the job's file of ids is wrong. *ItemsRefusedError: the portal refuses a
// list of owners. *SampleError: a list and a get of the same payment differ.
// *UnpredictableError: MakeEstimate cannot predict the run. All other errors come from
// package bitrix.
package source
