// Package dbscan finds clusters of points by density: exact DBSCAN over named
// numeric columns, each with a scale, and categorical layers that keep points
// apart.
//
// With d(p, q) the Euclidean distance of the scaled columns,
//
//	d(p, q)^2 = sum over j of (p_j/scale_j - q_j/scale_j)^2,
//	N(p)      = the points q of p's layers with d(p, q)^2 <= eps^2,
//
// p is a core point when N(p), which p itself belongs to, has at least
// min_samples points. Core points in each other's N are in one cluster; any
// other point joins the lowest numbered cluster with a core point in its N, or
// is noise. Clusters are numbered by their first core point in input order.
// These are the definitions of Ester, Kriegel, Sander and Xu (KDD 1996) and the
// numbering of scikit-learn, so labels can be compared one by one.
//
// Equal points are folded into one with a weight before anything else. Then one
// of three methods finds neighbours:
//
//   - Rows: sorted arrays and moving intervals, for one dimension and where all
//     dimensions but one take few values (amount by day of month);
//   - Grid: cells of two or three dimensions whose points are all neighbours;
//   - Tree: the same over the cells of a k-d tree, for any dimensions.
//
// All three compare the same floating-point quantity as a loop over every pair
// would, so that they agree on points exactly eps apart. docs/ml/dbscan.md has
// the reasoning, the costs and the measurements.
package dbscan
