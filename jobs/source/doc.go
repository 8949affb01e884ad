// Package source finds and reads the payments of one portal.
//
// A Source is the pipeline.Source of one run. It gets each payment by
// crm.item.payment.get. The owners of a chunk's orders travel in the chunk's own
// request, so a row is complete as soon as its chunk is there.
//
// FindBy decides how payments are found: there is one finder for each value of
// source.list. The plain one lists the whole portal by sale.payment.list, which
// shows each payment's order and date of bill. FindAuto decides for source.list:
// auto when the portal refuses that list.
//
// An incremental job can learn what has changed from elsewhere: there is one type
// of changes for each value of source.since but list. It puts a finder in place of
// the plain one, for one run.
//
// MakeEstimate predicts what a run costs.
//
// # Errors
//
// *IDsError: the job's file of ids is wrong. *ItemsRefusedError: the portal
// refuses a list of CRM items. *SampleError: a list and a get of the same payment
// differ. *UnpredictableError: MakeEstimate has no way to ask. All others come
// of package bitrix.
package source
