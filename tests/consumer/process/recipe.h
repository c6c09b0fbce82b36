// This workspace's own process package.
#ifndef PROCESS_RECIPE_H_
#define PROCESS_RECIPE_H_

inline constexpr char kRecipe[] = "knead, rest, bake";

#endif  // PROCESS_RECIPE_H_
