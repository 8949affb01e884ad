package bitrixtest

import "time"

// The portal's methods, numbered.
const (
	methodBatch = iota
	methodPaymentGet
	methodPaymentList
	methodSalePaymentList
	methodSaleOrderList
	methodOrderEntityList
	methodItemList
	methodItemGet
	methodTypeList
	methodScope
	methodProfile
	methodMethodGet
	methodServerTime
	methodAppInfo
	methodEventBind
	methodEventUnbind
	methodEventGet
	methodEventOfflineGet
	methodEventOfflineClear
	methodEventOfflineList
	methodFeatureGet
	methodUserGet
	methodPaySystemList
	methodStatusList
	methodCategoryList
	methodCount
)

// method describes a method, except its implementation.
type method struct {
	name  string
	scope string        // the scope that it needs; "" for none
	cost  time.Duration // operating time of a call
	app   bool          // for applications only
}

// The first costs are from the vendor's sample answers.
var methods = [methodCount]method{
	methodBatch:             {name: "batch"},
	methodPaymentGet:        {name: "crm.item.payment.get", scope: "crm", cost: 50 * time.Millisecond},
	methodPaymentList:       {name: "crm.item.payment.list", scope: "crm", cost: 60 * time.Millisecond},
	methodSalePaymentList:   {name: "sale.payment.list", scope: "sale", cost: 90 * time.Millisecond},
	methodSaleOrderList:     {name: "sale.order.list", scope: "sale", cost: 130 * time.Millisecond},
	methodOrderEntityList:   {name: "crm.orderentity.list", scope: "crm", cost: 40 * time.Millisecond},
	methodItemList:          {name: "crm.item.list", scope: "crm", cost: 90 * time.Millisecond},
	methodItemGet:           {name: "crm.item.get", scope: "crm", cost: 40 * time.Millisecond},
	methodTypeList:          {name: "crm.type.list", scope: "crm", cost: 70 * time.Millisecond},
	methodScope:             {name: "scope", cost: time.Millisecond},
	methodProfile:           {name: "profile", cost: time.Millisecond},
	methodMethodGet:         {name: "method.get", cost: time.Millisecond},
	methodServerTime:        {name: "server.time", cost: time.Millisecond},
	methodAppInfo:           {name: "app.info", cost: 5 * time.Millisecond},
	methodEventBind:         {name: "event.bind", cost: 30 * time.Millisecond, app: true},
	methodEventUnbind:       {name: "event.unbind", cost: 30 * time.Millisecond, app: true},
	methodEventGet:          {name: "event.get", cost: 3 * time.Millisecond, app: true},
	methodEventOfflineGet:   {name: "event.offline.get", cost: 10 * time.Millisecond, app: true},
	methodEventOfflineClear: {name: "event.offline.clear", cost: 3 * time.Millisecond, app: true},
	methodEventOfflineList:  {name: "event.offline.list", cost: 3 * time.Millisecond, app: true},
	methodFeatureGet:        {name: "feature.get", cost: time.Millisecond},
	methodUserGet:           {name: "user.get", scope: "user", cost: 40 * time.Millisecond},
	methodPaySystemList:     {name: "sale.paysystem.list", scope: "pay_system", cost: 40 * time.Millisecond},
	methodStatusList:        {name: "crm.status.list", scope: "crm", cost: 30 * time.Millisecond},
	methodCategoryList:      {name: "crm.category.list", scope: "crm", cost: 300 * time.Millisecond},
}

var methodNumbers = func() map[string]int {
	numbers := make(map[string]int, len(methods))
	for i := range methods {
		numbers[methods[i].name] = i
	}
	return numbers
}()

// call is one call of a method, alone or in a batch.
type call struct {
	x      *exchange
	method int
	args   *value
	place  int // position in its batch, from 0

	out   []byte // the result's JSON is appended here
	total int64  // -1: not counted
	next  int64  // where the next page starts; -1: none
}

// run executes the call. It appends a result to c.out, or returns an error and leaves
// c.out unchanged. The exchange is charged in both cases, unless the rate limit refused
// it.
func (c *call) run() *apiError {
	x, m := c.x, &methods[c.method]
	x.p.stats.command(c.method)
	switch {
	case !x.c.granted(m.scope):
		return errNoScope
	case m.app && !x.app:
		return errAuthType
	case x.overBudget(c.method):
		x.p.stats.refusedCommands.Add(1)
		return errOperating
	}
	x.charge(c.method)
	var id int64
	if x.c.Faults != nil {
		id = c.args.param("id").int()
	}
	f := x.p.faults.atCall(x.c, x.number, m.name, c.place, id)
	switch {
	case f == nil:
		return c.dispatch()
	case f.Kind == FaultResult:
		return c.replaced(f)
	}
	err := f.error()
	if err.code == errTokenExpired.code {
		x.tellExpired()
	}
	return err
}

// replaced executes the call, and replaces its result by the fault's.
func (c *call) replaced(f *Fault) *apiError {
	from, settled := len(c.out), len(c.x.settled)
	if err := c.dispatch(); err != nil {
		return err
	}
	result := f.Result
	fill(&result, "null")
	c.out = append(c.out[:from], result...)
	c.x.settled = c.x.settled[:settled] // no payment was returned
	return nil
}

func (c *call) dispatch() *apiError {
	switch c.method {
	case methodPaymentGet:
		return c.paymentGet()
	case methodPaymentList:
		return c.paymentList()
	case methodSalePaymentList:
		return c.salePaymentList()
	case methodSaleOrderList:
		return c.saleOrderList()
	case methodOrderEntityList:
		return c.orderEntityList()
	case methodItemList:
		return c.itemList()
	case methodItemGet:
		return c.itemGet()
	case methodTypeList:
		return c.typeList()
	case methodScope:
		return c.scope()
	case methodProfile:
		return c.profile()
	case methodMethodGet:
		return c.methodGet()
	case methodServerTime:
		return c.serverTime()
	case methodAppInfo:
		return c.appInfo()
	case methodEventBind:
		return c.eventBind()
	case methodEventUnbind:
		return c.eventUnbind()
	case methodEventGet:
		return c.eventGet()
	case methodEventOfflineGet:
		return c.eventOfflineGet()
	case methodEventOfflineClear:
		return c.eventOfflineClear()
	case methodEventOfflineList:
		return c.eventOfflineList()
	case methodFeatureGet:
		return c.featureGet()
	case methodUserGet:
		return c.userGet()
	case methodPaySystemList:
		return c.paySystemList()
	case methodStatusList:
		return c.statusList()
	case methodCategoryList:
		return c.categoryList()
	}
	return errNoMethod
}
