package demo

import "github.com/bodega-hq/bodega/internal/inventory/normalize"

// brands are invented; each sells in the categories that its turn falls on.
var brands = []string{
	"Ambrook", "Brindlecote", "Calloway Mills", "Dunnage", "Elderfleet", "Fennimore", "Gannet Row", "Hollin & Rye", "Ivelchester",
	"Juddwater", "Kestrelby", "Lathe & Loom", "Marrowstone", "Norrisay", "Osterlea", "Pellworth", "Quillet", "Rookhampton",
	"Sallowfield", "Tarnbeck", "Underhay", "Verrin", "Wrenfold", "Yarrowby", "Zephyr Lane",
}

// aisle is a category with what is sold in it.
type aisle struct {
	name     string
	trades   string // of "convenience" and "grocery"
	goods    []string
	kinds    []string
	sizes    []normalize.Size
	low, top float64 // prices, in the currency's whole units
	absence  float64 // share of time that an item is not on the shelf
}

func g(n int64) normalize.Size {
	return normalize.Size{Count: 1, Milli: n * 1000, Unit: normalize.Gram}
}
func ml(n int64) normalize.Size {
	return normalize.Size{Count: 1, Milli: n * 1000, Unit: normalize.Milliliter}
}
func pc(n int64) normalize.Size {
	return normalize.Size{Count: 1, Milli: n * 1000, Unit: normalize.Each}
}
func x(n uint32, s normalize.Size) normalize.Size {
	s.Count = n
	return s
}

const everywhere = "convenience grocery"

var aisles = []aisle{
	{"Crisps & Snacks", everywhere, []string{"Kettle Crisps", "Corn Puffs", "Pretzel Twists", "Lentil Chips", "Popcorn", "Rice Crackers"},
		[]string{"Sea Salt", "Smoked Paprika", "Cheddar", "Sour Cream & Onion", "Black Pepper", "Sweet Chili", "Lime", "Rosemary"},
		[]normalize.Size{g(45), g(90), g(150), g(250)}, 1.5, 6, 0.06},
	{"Chocolate & Sweets", everywhere, []string{"Chocolate Bar", "Truffles", "Fruit Gums", "Toffees", "Mints", "Liquorice"},
		[]string{"Dark", "Milk", "Hazelnut", "Caramel", "Orange", "Raspberry", "Salted", "Sugar Free"},
		[]normalize.Size{g(30), g(100), g(180)}, 1.2, 7, 0.05},
	{"Biscuits & Bars", everywhere, []string{"Oat Bar", "Shortbread", "Ginger Biscuits", "Wafers", "Granola Bar", "Digestives"},
		[]string{"Original", "Apple", "Cocoa", "Almond", "Cranberry", "Honey", "Coconut", "Peanut"},
		[]normalize.Size{g(40), x(6, g(35)), g(200)}, 1.3, 6, 0.05},
	{"Soft Drinks", everywhere, []string{"Cola", "Lemonade", "Ginger Beer", "Tonic Water", "Iced Tea", "Root Beer"},
		[]string{"Classic", "Zero Sugar", "Cherry", "Lemon", "Elderflower", "Peach", "Blood Orange", "Vanilla"},
		[]normalize.Size{ml(330), ml(500), ml(1500), x(6, ml(330))}, 1.5, 9, 0.08},
	{"Water & Juice", everywhere, []string{"Spring Water", "Sparkling Water", "Apple Juice", "Orange Juice", "Vegetable Juice", "Coconut Water"},
		[]string{"Still", "Pressed", "Organic", "With Lime", "Cloudy", "No Pulp"},
		[]normalize.Size{ml(500), ml(1000), ml(2000), x(6, ml(500))}, 1, 7, 0.07},
	{"Energy & Coffee Drinks", everywhere, []string{"Energy Drink", "Cold Brew", "Latte Can", "Mate", "Sports Drink"},
		[]string{"Original", "Zero Sugar", "Mango", "Mocha", "Berry", "Citrus", "Strong"},
		[]normalize.Size{ml(250), ml(330), ml(500)}, 2, 5, 0.09},
	{"Bakery", everywhere, []string{"Sandwich Loaf", "Bagels", "Croissants", "Muffins", "Rye Loaf", "Burger Buns", "Flatbreads"},
		[]string{"Plain", "Whole Grain", "Seeded", "Blueberry", "Sesame", "Butter", "Cinnamon"},
		[]normalize.Size{g(400), g(750), pc(4), pc(6)}, 2, 8, 0.14},
	{"Dairy & Eggs", everywhere, []string{"Milk", "Yogurt", "Butter", "Cheddar", "Cream Cheese", "Eggs", "Kefir", "Oat Drink"},
		[]string{"Whole", "Light", "Organic", "Lactose Free", "Strawberry", "Vanilla", "Mature"},
		[]normalize.Size{g(150), g(400), ml(1000), ml(2000), pc(12)}, 1.4, 11, 0.12},
	{"Ready Meals & Sandwiches", everywhere, []string{"Sandwich", "Wrap", "Noodle Bowl", "Pasta Salad", "Soup Pot", "Curry & Rice"},
		[]string{"Chicken", "Egg", "Tuna", "Falafel", "Ham & Cheese", "Mushroom", "Tofu", "Spicy Bean"},
		[]normalize.Size{g(180), g(300), g(450)}, 3.5, 11, 0.16},
	{"Ice Cream & Frozen", everywhere, []string{"Ice Cream Tub", "Ice Lollies", "Frozen Pizza", "Frozen Peas", "Fish Fillets", "Dumplings"},
		[]string{"Vanilla", "Chocolate", "Margherita", "Garden", "Lemon", "Pistachio", "Vegetable", "Mango"},
		[]normalize.Size{ml(500), g(350), g(750), x(4, ml(90))}, 2.5, 13, 0.08},
	{"Tobacco Free & Gum", "convenience", []string{"Chewing Gum", "Breath Strips", "Lozenges", "Mint Tin"},
		[]string{"Peppermint", "Spearmint", "Cinnamon", "Berry", "Eucalyptus", "Extra Strong"},
		[]normalize.Size{pc(10), pc(30), g(40)}, 1, 5, 0.04},
	{"Phone & Travel", "convenience", []string{"Charging Cable", "Earphones", "Power Bank", "Umbrella", "Travel Pillow", "Batteries"},
		[]string{"Black", "White", "1 m", "2 m", "Compact", "Folding"},
		[]normalize.Size{pc(1), pc(2), pc(4)}, 6, 45, 0.05},
	{"Health & Personal Care", everywhere, []string{"Toothpaste", "Shampoo", "Hand Soap", "Deodorant", "Plasters", "Sun Lotion", "Tissues"},
		[]string{"Fresh Mint", "Sensitive", "Aloe", "Unscented", "Kids", "Daily", "Extra Care"},
		[]normalize.Size{ml(75), ml(250), ml(400), pc(20)}, 2, 16, 0.05},
	{"Household", everywhere, []string{"Dish Liquid", "Laundry Powder", "Kitchen Towels", "Bin Liners", "Sponges", "Candles"},
		[]string{"Lemon", "Lavender", "Eco", "Extra Strong", "Unscented", "Pine"},
		[]normalize.Size{ml(500), ml(1000), pc(10), pc(4)}, 2, 19, 0.05},
	{"Pet", "grocery", []string{"Dog Food", "Cat Food", "Cat Litter", "Dog Biscuits"},
		[]string{"Chicken", "Salmon", "Beef", "Grain Free", "Puppy", "Senior"},
		[]normalize.Size{g(400), g(1500), g(7000), x(12, g(85))}, 1.5, 42, 0.06},
	{"Pasta, Rice & Grains", "grocery", []string{"Spaghetti", "Penne", "Basmati Rice", "Couscous", "Rolled Oats", "Quinoa", "Red Lentils"},
		[]string{"Classic", "Whole Grain", "Organic", "Quick Cook", "Bronze Cut"},
		[]normalize.Size{g(500), g(1000), g(2000)}, 1.5, 10, 0.05},
	{"Tins & Jars", "grocery", []string{"Chopped Tomatoes", "Chickpeas", "Tuna Chunks", "Peanut Butter", "Strawberry Jam", "Olives", "Pesto", "Sweetcorn"},
		[]string{"Classic", "Organic", "No Added Salt", "Smooth", "Crunchy", "With Basil"},
		[]normalize.Size{g(200), g(400), x(4, g(400)), g(800)}, 1, 10, 0.05},
	{"Oils, Sauces & Spices", "grocery", []string{"Olive Oil", "Soy Sauce", "Mustard", "Ketchup", "Vinegar", "Curry Paste", "Ground Cumin", "Sea Salt"},
		[]string{"Classic", "Mild", "Hot", "Organic", "Extra", "Smoked"},
		[]normalize.Size{g(50), ml(250), ml(500), ml(1000)}, 1.5, 19, 0.05},
	{"Tea & Coffee", "grocery", []string{"Ground Coffee", "Coffee Beans", "Black Tea", "Green Tea", "Herbal Tea", "Drinking Chocolate"},
		[]string{"House Blend", "Dark Roast", "Decaf", "Chamomile", "Earl Grey", "Jasmine"},
		[]normalize.Size{g(125), g(250), g(500), pc(40)}, 3, 19, 0.05},
	{"Breakfast Cereals", "grocery", []string{"Corn Flakes", "Muesli", "Granola", "Bran Sticks", "Puffed Rice"},
		[]string{"Original", "Honey", "Berry", "Cocoa", "Nutty", "No Added Sugar"},
		[]normalize.Size{g(375), g(500), g(750)}, 3, 10, 0.06},
	{"Meat & Fish Counter", "grocery", []string{"Chicken Thighs", "Beef Mince", "Pork Chops", "Salmon Fillet", "Turkey Slices", "Sausages"},
		[]string{"Free Range", "Lean", "Family Pack", "Smoked", "Marinated"},
		[]normalize.Size{g(250), g(400), g(800)}, 4, 24, 0.13},
	{"Baby", "grocery", []string{"Nappies", "Baby Wipes", "Fruit Purée", "Follow-on Milk"},
		[]string{"Newborn", "Stage 2", "Stage 3", "Sensitive", "Apple & Pear"},
		[]normalize.Size{pc(24), pc(60), g(120), g(800)}, 1.5, 32, 0.06},
}

// loose is what Verdure Market sells by weight.
type loose struct {
	name    string
	low     float64 // price per kilogram
	top     float64
	grams   int64 // of one piece, 0 where nobody knows
	absence float64
}

const looseAisle = "Fresh Produce"

var looseKinds = []string{"", "Organic ", "Local ", "Large "}

var looseGoods = []loose{
	{"Bananas", 1.5, 2.4, 118, 0.06}, {"Gala Apples", 3, 5, 180, 0.07}, {"Russet Potatoes", 1.8, 3.2, 210, 0.05}, {"Carrots", 1.6, 3, 70, 0.05},
	{"Yellow Onions", 1.7, 3, 150, 0.05}, {"Vine Tomatoes", 4, 7, 110, 0.09}, {"Red Peppers", 5, 9, 160, 0.1}, {"Avocados", 7, 13, 200, 0.16},
	{"Lemons", 4, 7, 100, 0.07}, {"Limes", 5, 9, 65, 0.09}, {"Navel Oranges", 3, 5, 190, 0.07}, {"Bartlett Pears", 3.5, 6, 175, 0.1},
	{"Plums", 4, 8, 65, 0.14}, {"Peaches", 4, 8, 150, 0.17}, {"Green Grapes", 5, 10, 0, 0.12}, {"Cherries", 9, 18, 0, 0.2},
	{"Broccoli", 4, 7, 350, 0.1}, {"Cauliflower", 4, 7, 800, 0.11}, {"Zucchini", 3, 6, 200, 0.08}, {"Eggplant", 4, 7, 300, 0.1},
	{"Sweet Potatoes", 3, 5, 250, 0.06}, {"Ginger Root", 7, 14, 0, 0.07}, {"Garlic", 8, 15, 50, 0.05}, {"Mushrooms", 8, 14, 0, 0.12},
	{"Green Beans", 6, 11, 0, 0.13}, {"Beets", 2.5, 5, 160, 0.08}, {"Watermelon", 1.2, 2.5, 4200, 0.12}, {"Cantaloupe", 2, 4, 1300, 0.12},
	{"Asparagus", 9, 17, 0, 0.2}, {"Nectarines", 4, 8, 140, 0.17},
}
