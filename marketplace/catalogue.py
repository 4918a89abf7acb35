"""Catalogue of the shop: categories, brands, prices and costs."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from marketplace.plan import Plan, Stream

TIERS = 10
"""Price tiers per category, cheapest first; all hold the same number of products."""

PRODUCTS_PER_TIER = 30
RANK_STEP = 7
"""Step between best sellers: the n-th of a tier is product n x RANK_STEP (modulo), so sales do not follow the price."""

PRODUCTS_PER_CATEGORY = TIERS * PRODUCTS_PER_TIER


class Category(NamedTuple):
    """A category of products.

    Attributes:
        name: name of the category.
        weight: relative share of visits that look for it.
        median_price: in EUR.
        spread: standard deviation of the log prices.
        return_rate: share of order lines that are returned.
        further_units: mean number of units beyond the first in a line.
        peak_month: month of highest interest, 1 to 12.
        swing: relative rise of interest at the peak, and fall half a year from it.
        queries: texts that users search for.
    """

    name: str
    weight: float
    median_price: float
    spread: float
    return_rate: float
    further_units: float
    peak_month: int
    swing: float
    queries: tuple[str, str]


CATEGORIES = (
    Category("groceries", 0.11, 6, 0.5, 0.004, 2.0, 12, 0.10, ("café crème", "olive oil")),
    Category("household", 0.09, 12, 0.6, 0.02, 1.0, 3, 0.05, ("Spülmittel", "candles")),
    Category("beauty", 0.08, 18, 0.6, 0.02, 0.5, 12, 0.15, ("crème visage", "shampoo")),
    Category("women's fashion", 0.10, 39, 0.6, 0.13, 0.1, 5, 0.15, ("robe d'été", "jacket")),
    Category("men's fashion", 0.07, 42, 0.6, 0.10, 0.1, 10, 0.15, ("Gürtel größe 100", "shirt")),
    Category("shoes", 0.06, 55, 0.5, 0.14, 0.05, 4, 0.15, ("zapatillas niño", "boots")),
    Category("children", 0.05, 25, 0.5, 0.06, 0.3, 9, 0.15, ("poussette légère", "school bag")),
    Category("toys", 0.05, 22, 0.6, 0.03, 0.3, 12, 0.50, ("jouet éducatif", "puzzle")),
    Category("books", 0.08, 14, 0.4, 0.01, 0.6, 12, 0.25, ("Bücher krimi", "cookbook")),
    Category("games", 0.04, 45, 0.5, 0.03, 0.1, 12, 0.35, ("jeux vidéo", "board game")),
    Category("electronics", 0.06, 75, 0.8, 0.06, 0.05, 11, 0.30, ("kopfhörer kabellos", "camera")),
    Category("phones", 0.02, 220, 0.6, 0.05, 0.0, 11, 0.25, ("téléphone 5G", "phone")),
    Category("computers", 0.02, 290, 0.6, 0.05, 0.0, 9, 0.20, ("ordenador portátil", "monitor")),
    Category("appliances", 0.03, 95, 0.7, 0.05, 0.0, 11, 0.15, ("Kaffeemühle", "vacuum cleaner")),
    Category("furniture", 0.03, 95, 0.7, 0.06, 0.1, 2, 0.15, ("canapé d'angle", "desk")),
    Category("garden", 0.04, 35, 0.8, 0.03, 0.4, 5, 0.60, ("Gießkanne", "grill")),
    Category("sports", 0.05, 48, 0.7, 0.07, 0.2, 6, 0.25, ("Fußball größe 5", "yoga mat")),
    Category("tools", 0.04, 32, 0.8, 0.03, 0.3, 4, 0.20, ("wiertarka akumulatorówka", "screws")),
    Category("pets", 0.04, 20, 0.5, 0.01, 1.0, 1, 0.05, ("croquettes bébé chat", "dog food")),
    Category("jewellery", 0.02, 60, 0.8, 0.06, 0.05, 12, 0.45, ("bague fiançailles", "watch")),
)
BRANDS = (
    "Everyday", "Nordlys", "Basico", "Pluma", "Kestrel", "Halden", "Mirto", "Oakline", "Sereno", "Tivoli",
    "Brightwell", "Corvo", "Lumen", "Fjordhem", "Castell", "Aurelle", "Maison Vire", "Hartmann & Söhne", "Belvédère",
    "Altesse",
)  # fmt: skip
"""Brands, cheapest first."""


@dataclass(frozen=True)
class Catalogue:
    """Products ordered by category and price; index 0 is product 1. All arrays have shape (products,).

    Attributes:
        category: index into CATEGORIES.
        brand: index into BRANDS.
        list_price: in EUR, before any drift.
        unit_cost: in EUR.
    """

    category: np.ndarray
    brand: np.ndarray
    list_price: np.ndarray
    unit_cost: np.ndarray

    def line_values(self) -> np.ndarray:
        """Mean value of an order line by price tier, in EUR, weighted by interest in the category; shape (TIERS,)."""
        weights = np.array([category.weight for category in CATEGORIES])
        units = np.array([1 + category.further_units for category in CATEGORIES])
        by_tier = self.list_price.reshape(len(CATEGORIES), TIERS, PRODUCTS_PER_TIER).mean(axis=2)
        return (weights * units) @ by_tier / weights.sum()


def make_catalogue(plan: Plan) -> Catalogue:
    """Draw the catalogue: prices within a category are log-normal, and dearer products have dearer brands."""
    random = plan.random(Stream.CATALOGUE)
    count = PRODUCTS_PER_CATEGORY
    ranks = (np.arange(count) + 0.5) / count
    quantiles = np.array([NormalDist().inv_cdf(rank) for rank in ranks])
    prices = np.concatenate([c.median_price * np.exp(c.spread * quantiles) for c in CATEGORIES])
    rank = np.tile(ranks, len(CATEGORIES))
    brand = np.clip((rank + random.normal(0, 0.15, len(rank))) * len(BRANDS), 0, len(BRANDS) - 1).astype(np.int16)
    list_price = np.ceil(prices) - 0.01
    return Catalogue(
        category=np.repeat(np.arange(len(CATEGORIES)), count),
        brand=brand,
        list_price=list_price,
        unit_cost=np.round(list_price * random.uniform(0.45, 0.75, len(list_price)), 2),
    )


def draw_products(category: np.ndarray, taste: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw a product index per category and taste; within a price tier, some products sell best.

    Args:
        category: shape (n,); indexes into CATEGORIES.
        taste: shape (n,); standard normal over all users. The tier is its quantile (logistic approximation).
        random: generator for the product within the tier.
    """
    quantile = 1 / (1 + np.exp(np.float32(-1.702) * taste))
    tier = np.minimum((quantile * TIERS).astype(np.int32), TIERS - 1)
    rank = (random.random(len(category), dtype=np.float32) ** 2 * PRODUCTS_PER_TIER).astype(np.int32)
    place = rank * RANK_STEP % PRODUCTS_PER_TIER
    return category * np.int32(PRODUCTS_PER_CATEGORY) + tier * np.int32(PRODUCTS_PER_TIER) + place
