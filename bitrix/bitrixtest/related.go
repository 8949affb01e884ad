package bitrixtest

import (
	"iter"
	"strconv"
	"time"
)

// RelatedQuirks configures the lists of the related tables. The zero value has no
// quirks.
type RelatedQuirks struct {
	// ItemTimes is added to createdTime and updatedTime of CRM items: in a recorded
	// answer both are 59 minutes before the call that read them.
	ItemTimes time.Duration
	// SystemsAtOnce makes sale.paysystem.list return all systems at once. Its
	// documentation does not mention pages.
	SystemsAtOnce bool
	// StatusesAtOnce makes crm.status.list return all rows at once.
	StatusesAtOnce bool
	// StatusDenied makes crm.status.list refuse with one of the three forms of error in
	// its documentation: "code" for an empty code, "number" for 0, "text" for the text
	// as the code. "": it does not refuse.
	StatusDenied string
	// Hidden is the share of CRM items that the user may not read. They are left out
	// silently.
	Hidden float64
}

// The CRM types of companies and contacts, which own no orders.
const (
	contactType = 3
	companyType = 4
)

// funnel is a category of a type of CRM items, with its stages.
type funnel struct {
	kind   int64 // the type
	id     int64
	name   string
	entity string // ENTITY_ID of its stages
	prefix string // of STATUS_ID
	stages []stage
}

type stage struct {
	code, name, semantics string // "S", "F", or "" in progress
}

var dealStages = []stage{
	{"NEW", "Новая", ""}, {"PREPARATION", "Подготовка документов", ""}, {"EXECUTING", "В работе", ""},
	{"WON", "Сделка успешна", "S"}, {"LOSE", "Сделка провалена", "F"},
}

// funnels are the portal's funnels. The general one of deals has the number 0, and its
// stages have no prefix. Codes are truncated as the portal does.
var funnels = []funnel{
	{2, 0, "Общее", "DEAL_STAGE", "", dealStages},
	{2, 10, "Опт / Wholesale", "DEAL_STAGE_10", "C10:", []stage{
		{"NEW", "Заявка", ""}, {"PREPAYMENT_INVOIC", "Счёт на предоплату", ""}, {"EXECUTING", "Отгрузка", ""},
		{"WON", "Оплачено", "S"}, {"LOSE", "Отказ", "F"}, {"APOLOGY", "Анализ причины провала", "F"},
	}},
	{31, 5, "Счета", "SMART_INVOICE_STAGE_5", "DT31_5:", []stage{{"N", "Новый", ""}, {"S", "Отправлен", ""}, {"P", "Оплачен", "S"}, {"D", "Не оплачен", "F"}}},
	{128, 7, "Аренда", "DYNAMIC_128_STAGE_7", "DT128_7:", []stage{{"NEW", "Начало", ""}, {"SUCCESS", "Успех", "S"}, {"FAIL", "Провал", "F"}}},
	{142, 9, "Ремонт", "DYNAMIC_142_STAGE_9", "DT142_9:", []stage{{"NEW", "Начало", ""}, {"SUCCESS", "Успех", "S"}, {"FAIL", "Провал", "F"}}},
	{1050, 11, "Заявки", "DYNAMIC_1050_STAGE_11", "DT1050_11:", []stage{{"NEW", "Начало", ""}, {"SUCCESS", "Успех", "S"}, {"FAIL", "Провал", "F"}}},
}

// directories are the other rows of crm.status.list.
var directories = []struct{ entity, code, name string }{
	{"SOURCE", "CALL", "Звонок"}, {"SOURCE", "EMAIL", "Электронная почта"}, {"SOURCE", "WEB", "Веб-сайт"}, {"SOURCE", "ADVERTISING", "Реклама"},
	{"CONTACT_TYPE", "CLIENT", "Клиенты"}, {"CONTACT_TYPE", "SUPPLIER", "Поставщики"}, {"COMPANY_TYPE", "CUSTOMER", "Клиент"},
	{"COMPANY_TYPE", "PARTNER", "Партнёр"}, {"INDUSTRY", "IT", "Информационные технологии"}, {"INDUSTRY", "OTHER", "Другое"},
	{"EMPLOYEES", "EMPLOYEES_1", "менее 50"}, {"EMPLOYEES", "EMPLOYEES_2", "50 - 250"}, {"HONORIFIC", "HNR_RU_1", "г-н"}, {"HONORIFIC", "HNR_RU_2", "г-жа"},
	{"STATUS", "NEW", "Не обработан"}, {"STATUS", "IN_PROCESS", "В работе"}, {"STATUS", "CONVERTED", "Качественный лид"}, {"STATUS", "JUNK", "Некачественный лид"},
	{"QUOTE_STATUS", "DRAFT", "Новое"}, {"QUOTE_STATUS", "SENT", "Отправлено клиенту"}, {"QUOTE_STATUS", "APPROVED", "Принято"}, {"QUOTE_STATUS", "DECLAINED", "Отклонено"},
	{"CALL_LIST", "SUCCESS", "Успешный"}, {"CALL_LIST", "WRONG_NUMBER", "Ошибка в номере"}, {"EVENT_TYPE", "INFO", "Информация"}, {"EVENT_TYPE", "PHONE", "Телефонный звонок"},
	{"DEAL_TYPE", "SALE", "Продажа"}, {"DEAL_TYPE", "SERVICES", "Услуги"}, {"DEAL_STATE", "PLANNED", "Планируется"}, {"DEAL_STATE", "COMPLETE", "Завершена"},
}

// Item is the true state of a CRM item.
type Item struct {
	TypeID, ID          int64
	Title               string
	CategoryID          int64
	StageID             string
	Amount              string // with four digits after the point
	Currency            string
	CompanyID           int64 // 0: none
	ContactID           int64
	AssignedByID        int64
	Created, Updated    time.Time
	CloseDate           time.Time // zero: none
	Closed              bool
	closedKnown, hidden bool
}

// ClosedKnown reports whether items of the type say if they are closed.
func (i *Item) ClosedKnown() bool { return i.closedKnown }

// Hidden reports whether the user may not read the item.
func (i *Item) Hidden() bool { return i.hidden }

// itemOf returns the item with that id of a type. It must exist.
func (l *live) itemOf(c *config, kind int, id int64) Item {
	t := &itemTypes[kind]
	h := l.related.roll(uint64(kind)<<40 | uint64(id))
	var own []*funnel
	for i := range funnels {
		if funnels[i].kind == t.id {
			own = append(own, &funnels[i])
		}
	}
	f := own[h%uint64(len(own))]
	s := f.stages[h>>8%uint64(len(f.stages))]
	created := l.until - span + int64(h>>16%span)
	it := Item{
		TypeID: t.id, ID: id,
		Title:        t.title + " #" + strconv.FormatInt(id, 10),
		CategoryID:   f.id,
		StageID:      f.prefix + s.code,
		Amount:       string(appendDecimal(nil, int64(h>>20%1_000_000)*100, 4)),
		Currency:     currencies[id%int64(len(currencies))],
		AssignedByID: 1 + id%7,
		Created:      instant(created),
		Updated:      instant(min(created+int64(h>>30%(90*86400)), l.until)),
		closedKnown:  t.id == 2,
		hidden:       c.Related.Hidden > 0 && l.related.hit(uint64(kind)<<40|uint64(id)|1<<63, c.Related.Hidden),
	}
	if it.closedKnown {
		it.Closed = s.semantics != ""
	}
	if h>>12&3 != 0 {
		it.CloseDate = instant(created + 30*86400)
	}
	if n := l.people(companyType); n > 0 && h>>40&7 != 0 {
		it.CompanyID = 1 + int64(h>>43%uint64(n))
	}
	if n := l.people(contactType); n > 0 && h>>5&7 != 0 {
		it.ContactID = 1 + int64(mix(h)%uint64(n))
	}
	return it
}

// people returns how many companies or contacts there are. Their ids are 1 to that
// number.
func (b *base) people(kind int64) int64 {
	if kind == companyType {
		return b.itemCount(0) * 3 / 4
	}
	return b.itemCount(0) * 7 / 8
}

// Items yields the portal's CRM items of one type, ascending by id.
func (p *Portal) Items(typeID int64) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		kind, ok := typeNumber(typeID)
		if !ok {
			return
		}
		c := p.config()
		p.mu.RLock()
		n := p.data.itemCount(kind)
		p.mu.RUnlock()
		for i := range n {
			p.mu.RLock()
			it := p.data.itemOf(c, kind, p.data.items[kind].id(i))
			p.mu.RUnlock()
			if !yield(it) {
				return
			}
		}
	}
}

// Order is the true state of an order.
type Order struct {
	ID               int64
	AccountNumber    string
	StatusID         string
	Price            string // with four digits after the point
	Currency         string
	Paid, Canceled   bool
	Created, Updated time.Time
	ResponsibleID    int64
	PersonTypeID     int64
}

// Order returns an order, and whether there is one.
func (p *Portal) Order(id int64) (Order, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, ok := p.data.order(id)
	if !ok {
		return Order{}, false
	}
	price, currency := p.data.price(id)
	return Order{
		ID: id, AccountNumber: strconv.FormatInt(id, 10), StatusID: "N", Price: string(appendDecimal(nil, price, 4)), Currency: currencies[currency],
		Paid: p.data.payed(id), Created: instant(r.created), Updated: instant(r.updated), ResponsibleID: 1 + id%7, PersonTypeID: 4,
	}, true
}

// price returns the price of an order: the sum of its payments.
func (l *live) price(order int64) (units int64, currency int) {
	for i, r := range l.ofOrder(nil, order) {
		if i == 0 {
			currency = r.currency
		}
		units += max(r.sum, 0)
	}
	return units % 1e15, currency
}

// PersonName returns the name of a company (4) or a contact (3). A contact's last name
// is "" if it has none.
func PersonName(kind, id int64) (name, last string) {
	h := mix(uint64(id)<<3 | uint64(kind))
	if kind == companyType {
		return []string{"ООО «Ромашка»", "Müller & Söhne", "Oak & Sons", `ИП "Вектор"`, "株式会社 青空"}[h%5] + " " + strconv.FormatInt(id, 10), ""
	}
	if h>>32&7 != 0 {
		last = []string{"Иванова", "Schmidt", "O'Neill", "Петров-Водкин", "山田"}[h>>8%5]
	}
	return []string{"Анна", "José", "Mary", "Олег", "健"}[h%5], last
}

// User is the true state of a user.
type User struct {
	ID             int64
	Name, LastName string
	Active         bool
	UserType       string // "" if the portal does not send it
}

// userCount is how many ids users have. One of the users is a bot, which no list
// contains.
const (
	userCount = 72
	botUser   = 13
)

// Users returns the users that the portal lists, ascending by id.
func (p *Portal) Users() []User {
	var users []User
	for id := int64(1); id <= userCount; id++ {
		if id == botUser {
			continue
		}
		name, last := PersonName(contactType, id*31)
		u := User{ID: id, Name: name, LastName: last, Active: id%9 != 0, UserType: "employee"}
		switch {
		case id%23 == 0:
			u.UserType = ""
		case id%17 == 0:
			u.UserType = "extranet"
		}
		users = append(users, u)
	}
	return users
}

// System is the true state of a payment system.
type System struct {
	ID     int64
	Name   string
	Active bool
	IsCash string // Y, N or A
}

// deletedSystem is the index in paySystems of a deleted one that payments still refer
// to.
const deletedSystem = 6

// Systems returns the payment systems that the portal lists, ascending by id.
func (p *Portal) Systems() []System {
	var all []System
	for i, s := range paySystems {
		if i == deletedSystem {
			continue
		}
		cash := "N"
		switch {
		case s.cash:
			cash = "Y"
		case s.id == 5 || s.id == 14:
			cash = "A"
		}
		all = append(all, System{ID: s.id, Name: s.name, Active: s.id != 20, IsCash: cash})
	}
	return all
}

// Stage is the true state of a stage.
type Stage struct {
	TypeID, CategoryID int64
	Category           string
	StageID, Name      string
	Sort               int64
	Semantics          string
}

// Stages returns the stages of all funnels.
func Stages() []Stage {
	var all []Stage
	for _, f := range funnels {
		for i, s := range f.stages {
			all = append(all, Stage{f.kind, f.id, f.name, f.prefix + s.code, s.name, int64(10 * (i + 1)), s.semantics})
		}
	}
	return all
}
